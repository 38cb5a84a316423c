package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestADecisionMayBeAWord(t *testing.T) {
	tests := []struct {
		args []string
		code int
		says string
	}{
		{[]string{"approve"}, exitMisused, "which command?"},
		{[]string{"reject"}, exitMisused, "which command?"},
		{[]string{"replay"}, exitMisused, "which command?"},
		{[]string{"dry-run"}, exitMisused, "which command?"},
		{[]string{"--approve", "--reject", "ping"}, exitMisused, "only one"},
		{[]string{"approve", "ping", "--reject"}, exitMisused, "only one"},
		{[]string{"approve", "ping"}, exitFailed, "no camward runs"},
	}
	for _, tt := range tests {
		var out, errs bytes.Buffer
		code := dispatch(t.Context(), append([]string{"commands", "--set", "state_dir=" + t.TempDir()}, tt.args...), stdio{&out, &errs})
		if code != tt.code || !strings.Contains(errs.String(), tt.says) || out.Len() > 0 {
			t.Errorf("%v: code %d, %s%s", tt.args, code, &out, &errs)
		}
	}
}
