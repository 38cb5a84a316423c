package arrows

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

func TestForbiddenImportsAreTold(t *testing.T) {
	tests := []struct {
		from, to string
		ok       bool
	}{
		{"camward/cmd/camward", "camward/agent", true},
		{"camward/cmd/camward", "camward/capture", false},
		{"camward/cmd/camward", "camward/cloud", false},
		{"camward/cmd/camward-cloud", "camward/cloud", true},
		{"camward/cmd/camward-cloud", "camward/agent", false},
		{"camward/agent", "camward/capture", true},
		{"camward/agent", "camward/uploader/httpstore", true},
		{"camward/agent", "camward/codec/jpeg", true},
		{"camward/agent", "camward/cloud", false},
		{"camward/capture", "camward/video", true},
		{"camward/capture", "camward/capture/demo", true},
		{"camward/capture/demo", "camward/video", true},
		{"camward/capture", "camward/clip", false},
		{"camward/clip", "camward/motion", false},
		{"camward/clip", "camward/agent", false},
		{"camward/uploader", "camward/internal/atomicfile", true},
		{"camward/uploader", "camward/uploader/httpstore", true},
		{"camward/uploader/httpstore", "camward/camio", true},
		{"camward/board", "camward/camio/profile", true},
		{"camward/web", "camward/provision", false},
		{"camward/motion", "camward/scripts/lab", false},
		{"camward/cloud", "camward/motion", true},
		{"camward/cloud", "camward/codec/mp4", true},
		{"camward/cloud", "camward/uploader", false},
		{"camward/cloud", "camward/clip", false},
		{"camward/cloud/web", "camward/cloud", true},
		{"camward/cloud", "camward/cloud/cloudtest", false},
		{"camward/cloud/cloudtest", "camward/cloud", true},
		{"camward/agent", "camward/cloud/cloudtest", false},
		{"camward/agent", "camward/uploader/storetest", false},
		{"camward/codec/jpeg", "camward/video", true},
		{"camward/codec/jpeg", "camward/codec/jpeg/internal/tables", true},
		{"camward/codec/mp4", "camward/codec/h264", true},
		{"camward/codec/h264", "camward/codec/mp4", false},
		{"camward/codec/h264", "camward/camio", false},
		{"camward/camio", "camward/camio/profile", true},
		{"camward/camio", "camward/video", false},
		{"camward/video", "camward/internal/atomicfile", false},
		{"camward/internal/supervise", "camward/video", false},
		{"camward/internal/supervise", "camward/internal/atomicfile", false},
		{"camward/utils", "camward/video", false},
		{"camward/capture", "golang.org/x/sys/unix", true},
	}
	for _, tt := range tests {
		if err := Check(tt.from, tt.to); (err == nil) != tt.ok {
			t.Errorf("%s -> %s: %v, want allowed %v", tt.from, tt.to, err, tt.ok)
		}
	}
}

// pkg is what the tests need of `go list -json`.
type pkg struct {
	ImportPath, Name, Doc string
	GoFiles, CgoFiles     []string
	Imports               []string
	Standard              bool
	Module                *struct {
		Path string
		Main bool
	}
	Error *struct{ Err string }
}

// golist runs go list in the module's root for one build.
func golist(t *testing.T, env []string, args ...string) []pkg {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-e", "-json=ImportPath,Name,Doc,GoFiles,CgoFiles,Imports,Standard,Module,Error"}, args...)...)
	cmd.Dir = "../.."
	cmd.Env = append(os.Environ(), env...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, &stderr)
	}
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// builds are the ways the module is compiled; files and so imports differ between them.
var builds = map[string][]string{
	"cgo":    {"CGO_ENABLED=1", "GOOS=linux", "GOARCH=amd64"},
	"pureGo": {"CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm"},
	"other":  {"CGO_ENABLED=0", "GOOS=darwin", "GOARCH=arm64"},
}

func TestEveryImportFollowsAnArrow(t *testing.T) {
	for name, env := range builds {
		t.Run(name, func(t *testing.T) {
			edges := 0
			for _, p := range golist(t, env, "./...") {
				for _, to := range p.Imports {
					edges++
					if err := Check(p.ImportPath, to); err != nil {
						t.Error(err)
					}
				}
			}
			if edges == 0 {
				t.Error("go list shows no imports at all")
			}
		})
	}
}

func TestTheAgentLinksOnlyChosenModules(t *testing.T) {
	for name, env := range builds {
		t.Run(name, func(t *testing.T) {
			for _, p := range golist(t, env, "-deps", "./cmd/camward") {
				if p.Standard || p.Module == nil || p.Module.Main {
					continue
				}
				if !slices.Contains(AgentModules, p.Module.Path) {
					t.Errorf("the agent links %s of module %s, which is not in AgentModules", p.ImportPath, p.Module.Path)
				}
			}
		})
	}
}

// scripts/cross builds without encoding/gob, for one user of it that never calls it.
func TestNothingButTheDTLSLibraryNamesGob(t *testing.T) {
	for _, p := range golist(t, builds["cgo"], "-deps", "./cmd/camward") {
		if slices.Contains(p.Imports, "encoding/gob") && p.ImportPath != "github.com/pion/dtls/v3" {
			t.Errorf("%s imports encoding/gob, which does nothing in what scripts/cross builds", p.ImportPath)
		}
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range golist(t, builds["cgo"], "./...") {
		if len(p.GoFiles)+len(p.CgoFiles) == 0 {
			continue // tests only
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + p.ImportPath[strings.LastIndex(p.ImportPath, "/")+1:] + " "
		}
		if !strings.HasPrefix(p.Doc, want) {
			t.Errorf("%s: its doc comment begins %.40q, want %q", p.ImportPath, p.Doc, want)
		}
	}
}
