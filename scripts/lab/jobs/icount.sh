# The benchmark of the way from bytes to decision, each picture once, on a clock that counts instructions.
decide.test -test.run '^$' -test.bench '^BenchmarkDecideQuickest$' -test.benchtime 45x -pictures /share >/share/out 2>&1
