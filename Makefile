# camward: build, run and test. "make help" lists the targets; only GNU make and a shell are assumed,
# scripts/deps.sh installs the rest.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
CAMERA  ?=
PORT    ?=
export PATH := $(PATH):/usr/local/go/bin

# The agent is static, with OpenH264 and libjpeg-turbo in it, so that it runs where no libc is.
STRIP  = -s -w -X main.version=$(VERSION)
STATIC = -trimpath -tags netgo,osusergo -ldflags '$(STRIP) -linkmode external -extldflags "-static"'
PURE   = -trimpath -ldflags '$(STRIP)'

# What the device runs: it has to compile for its processors without a C compiler.
AGENT = $$($(GO) list -deps -f '{{with .Module}}{{if .Main}}{{$$.ImportPath}}{{end}}{{end}}' ./cmd/camward)
# The end-to-end tests run whole processes, in which the race detector would see nothing.
UNIT = $$($(GO) list ./... | grep -v '^camward/e2e$$')

.DEFAULT_GOAL := build
.NOTPARALLEL:
.PHONY: build run test check fmt vet lint unit cross e2e crash faults story memory bench-live score score-matrix leave-one-out test-nat test-browser fuzz lab lab1 icount bench fresh deps deps-test clean help

build: ## build bin/camward (static) and bin/camward-cloud
	CGO_ENABLED=1 $(GO) build $(STATIC) -o bin/ ./cmd/camward
	CGO_ENABLED=0 $(GO) build $(PURE) -o bin/ ./cmd/camward-cloud

run: deps build ## start the cloud and the agent here; CAMERA=/dev/video0 or a recording, PORT=8080
	@$(GO) build -o bin/camward-try ./scripts/run
	@CAMERA='$(CAMERA)' PORT='$(PORT)' exec bin/camward-try

test: check e2e lab1 ## everything, with its own set-up: check, end-to-end tests, one lab guest
	@scripts/notrun.sh
	@echo "make test: passed"

check: deps-test fmt vet lint unit cross ## formatting, vet, staticcheck, arrows, tests with -race, 32-bit build, cross-builds and sizes

fmt:
	@bad=$$(gofmt -l $$(git ls-files -co --exclude-standard '*.go' 2>/dev/null || find . -name '*.go')); \
	[ -z "$$bad" ] || { echo "not formatted (gofmt -w):"; echo "$$bad"; exit 1; }

vet:
	$(GO) vet ./...
	CGO_ENABLED=0 $(GO) vet ./...
	CGO_ENABLED=0 GOARCH=arm GOARM=6 $(GO) vet $(AGENT)
	CGO_ENABLED=0 GOARCH=arm64 $(GO) vet $(AGENT)
	CGO_ENABLED=0 GOARCH=386 $(GO) vet $(AGENT)

lint:
	$(GO) tool staticcheck ./...

unit: # internal/arrows is among these
	$(GO) test -race $(UNIT)

cross: deps-test ## dist/: arm64, armv7, armv6 and amd64 binaries, run once each, sizes checked
	CGO_ENABLED=0 GOARCH=386 $(GO) build -o /dev/null ./cmd/camward
	$(GO) run ./scripts/cross -version '$(VERSION)'

e2e: deps-test build ## real agent into real cloud: recordings, the demo scene, a browser
	$(GO) test -count=1 -timeout 15m ./e2e

KILLS ?= 1000
crash: deps-test build ## KILLS=1000 times SIGKILL at random moments; what the cloud holds is compared with what was shown
	$(GO) test -count=1 -timeout 2h ./e2e -run '^TestCrash' -v -kills $(KILLS)

faults: deps-test build ## bad networks, bad servers, a full disk, a day offline
	$(GO) test -count=1 -timeout 40m ./e2e -run '^(TestNetwork|TestServer|TestDisk|TestOffline)' -v -parallel 8 -faults full

story: deps-test build ## each maker's camera from unclaimed to rolled back, with a simulator as its firmware
	$(GO) test -count=1 -timeout 15m ./e2e -run '^TestStory' -v

bench-live: deps-test ## paint-to-canvas latency, first picture, CPU and memory of the live view in Chromium; 500 connects
	$(GO) test -count=1 -timeout 20m -v ./live -run '^TestFigures' -figures

memory: deps-test build ## as root: the agent records 1280x720 for ten minutes within a control group of 64 MB
	$(GO) test -count=1 -timeout 20m -v ./e2e -run '^TestRecordsWithin64MB' -memory 10m

test-nat: deps-test build ## as root: live view through two random NATs, a change of address, lost packets, a dead link
	$(GO) test -count=1 -timeout 20m -v ./e2e -run '^TestNAT' -nat full

test-browser: deps-test build ## the camera's page and the cloud's in Chromium; CAMWARD_SHOTS=DIR leaves screenshots
	$(GO) test -count=1 -timeout 15m -v ./web/page
	$(GO) test -count=1 -timeout 15m -v ./web ./live ./cloud ./e2e -run 'Browser|Page|TestAPersonSignsInWithChromium'

# Further flags in SCORE, as in make score SCORE='-size 320x240 -rate 5'; go run ./scripts/score -h lists them.
score: deps-test ## the detector's hits and false alarms on the recordings in ../shared and on rendered scenes
	$(GO) run ./scripts/score $(SCORE)

# What the detector sees is kept beside the downloads: half an hour at first, a minute or two later.
PLANES = -planes "$${XDG_CACHE_HOME:-$$HOME/.cache}/camward/planes"
score-matrix: deps-test ## the same sums under many sizes, picture rates, JPEG qualities and starts
	$(GO) run ./scripts/score -matrix $(PLANES) $(SCORE)

leave-one-out: deps-test ## whether the detector's constants fit the clips they were chosen on better than others
	$(GO) run ./scripts/score -leave-one-out $(PLANES) $(SCORE)

TIME ?= 10m
fuzz: ## TIME=10m of every fuzz target of the tree
	$(GO) run ./scripts/fuzz -time $(TIME)

lab: deps-test build cross ## boot arm64 and armhf guests with real V4L2 drivers and put the agent through every fault there
	$(GO) test -count=1 -timeout 20m -v ./scripts/lab -lab arm64,armhf

lab1: deps-test build
	$(GO) test -count=1 -timeout 10m ./scripts/lab -lab arm64 -skip '^(TestFaults|TestTheKernelsCodec)'
	$(GO) test -count=1 -timeout 10m ./scripts/lab -lab arm64 -quick

icount: deps-test ## instructions from a camera's bytes to the decision, counted in arm64 and armhf guests (10 minutes)
	$(GO) test -count=1 -timeout 60m -v ./scripts/lab -run '^TestInstructionsOfAPicture$$' -icount arm64,armhf

bench: deps-test build ## speed and size, as ratios within one run
	$(GO) test -run '^$$' -bench . -benchmem ./...

fresh: ## as root: make run's build and make test in a bare Debian 12
	scripts/fresh.sh

deps:
	@scripts/deps.sh run

deps-test:
	@scripts/deps.sh test

clean: ## remove what make built; ./var (recordings) and ~/.cache/camward (downloads) stay
	rm -rf bin dist

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 20
