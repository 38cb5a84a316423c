package camio

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestSecretNeverPrints(t *testing.T) {
	type config struct {
		Token Secret `json:"token" yaml:"token"`
		Other *Secret
	}
	const text = "51r6kndapc"
	s := Secret(text)
	c := config{Token: s, Other: &s}
	var shown []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
		shown = append(shown, fmt.Sprintf(verb, s), fmt.Sprintf(verb, c), fmt.Sprintf(verb, []Secret{s}))
	}
	j, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	zap.New(core).Info("x", zap.Any("config", c), zap.Stringer("token", s), zap.Any("token", s))
	fields, err := json.Marshal(logs.All()[0].ContextMap())
	if err != nil {
		t.Fatal(err)
	}
	shown = append(shown, string(j), string(y), string(fields), fmt.Errorf("token %v", s).Error())
	for _, got := range shown {
		if strings.Contains(got, text) || strings.Contains(got, fmt.Sprintf("%x", text)) {
			t.Errorf("the secret shows in %q", got)
		}
	}
	if got := fmt.Sprint(s); got != "***" {
		t.Errorf("printed %q, want ***", got)
	}
	if got := fmt.Sprint(Secret("")); got != "" {
		t.Errorf("an empty secret printed %q, want nothing", got)
	}
}

func TestSecretIsReadAsAPlainString(t *testing.T) {
	var c struct {
		Token Secret `json:"token" yaml:"token"`
	}
	if err := yaml.Unmarshal([]byte("token: abc123pdq\n"), &c); err != nil || c.Token.Reveal() != "abc123pdq" {
		t.Errorf("from YAML: %q, %v", c.Token.Reveal(), err)
	}
	if err := json.Unmarshal([]byte(`{"token":"x y"}`), &c); err != nil || c.Token.Reveal() != "x y" {
		t.Errorf("from JSON: %q, %v", c.Token.Reveal(), err)
	}
}
