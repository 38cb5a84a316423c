package board

import (
	"strings"
	"testing"
	"testing/fstest"
)

func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestIdentify(t *testing.T) {
	pi := map[string]string{
		"sys/class/net/lo/address":              "00:00:00:00:00:00\n",
		"sys/class/net/docker0/address":         "02:42:ac:11:00:01\n",
		"sys/class/net/eth0/address":            "b8:27:eb:12:34:56\n",
		"sys/class/net/eth0/device/uevent":      "DRIVER=smsc95xx\n",
		"sys/class/net/wlan0/address":           "b8:27:eb:ab:cd:ef\n",
		"sys/class/net/wlan0/device/modalias":   "sdio\n",
		"proc/device-tree/model":                "Raspberry Pi 3 Model B Rev 1.2\x00",
		"sys/devices/virtual/dmi/id/board_name": "x",
	}
	tests := []struct {
		name  string
		files map[string]string
		cfg   Config
		want  Identity
		err   string
	}{
		{name: "hardware before virtual interfaces", files: pi, want: Identity{MAC: "B827EB123456", Maker: "camward", Model: "Raspberry Pi 3 Model B Rev 1.2"}},
		{name: "named interface", files: pi, cfg: Config{Interface: "wlan0"}, want: Identity{MAC: "B827EBABCDEF", Maker: "camward", Model: "Raspberry Pi 3 Model B Rev 1.2"}},
		{name: "configured", files: pi, cfg: Config{MAC: "00:0d:f0:01:02:03", Maker: "Sharx", Model: "SCNC3904"}, want: Identity{MAC: "000DF0010203", Maker: "Sharx", Model: "SCNC3904"}},
		{name: "unknown interface", files: pi, cfg: Config{Interface: "eth9"}, err: "board.interface: interface eth9 has no MAC address"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Identify(tt.cfg, tree(tt.files), nil)
			if tt.err != "" {
				if err == nil || err.Error() != tt.err {
					t.Fatalf("error %v, want %s", err, tt.err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Fatalf("got %+v, %v; want %+v", got, err, tt.want)
			}
		})
	}
}

func TestAMachineWithoutNetworkStillHasAStableMAC(t *testing.T) {
	files := tree(map[string]string{"etc/machine-id": "0123456789abcdef0123456789abcdef\n", "sys/class/net/lo/address": "00:00:00:00:00:00\n"})
	a, _ := Identify(Config{}, files, nil)
	b, _ := Identify(Config{}, files, nil)
	if a.MAC != b.MAC || len(a.MAC) != 12 || !strings.ContainsAny(a.MAC[1:2], "26AE") {
		t.Fatalf("got %s and %s, want one locally administered unicast address", a.MAC, b.MAC)
	}
}

func TestCameraIDs(t *testing.T) {
	id := Identity{MAC: "B827EB123456"}
	if a, b := id.CameraID(0), id.CameraID(2); a != "B827EB123456" || b != "B827EB123456.2" {
		t.Fatal(a, b)
	}
}

func TestParseMAC(t *testing.T) {
	for in, want := range map[string]string{"12:34:56:78:90:ab": "1234567890AB", "1234567890AB": "1234567890AB", "12-34-56-78-90-ab": "1234567890AB", "1234.5678.90ab": "1234567890AB"} {
		if got, err := ParseMAC(in); err != nil || got != want {
			t.Errorf("ParseMAC(%q) = %q, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "12:34", "12:34:56:78:90:zz", "1234567890AB12"} {
		if got, err := ParseMAC(in); err == nil {
			t.Errorf("ParseMAC(%q) = %q, want an error", in, got)
		}
	}
}
