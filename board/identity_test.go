package board

import (
	"testing"
	"testing/fstest"
)

// nets makes /sys/class/net. A key without a slash stands for the interface's address.
func nets(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{"sys/class/net/lo/address": {Data: []byte("00:00:00:00:00:00\n")}}
	for name, text := range files {
		m["sys/class/net/"+name] = &fstest.MapFile{Data: []byte(text + "\n")}
	}
	return m
}

func TestTheMACIsThatOfTheBoardsOwnHardware(t *testing.T) {
	const (
		wired, wifi = "b8:27:eb:00:00:01", "b8:27:eb:00:00:02"
		id          = "0123456789abcdef0123456789abcdef"
	)
	made := madeMAC(id)
	tests := []struct {
		name    string
		files   map[string]string
		towards string // the interface that packets to the cloud leave by
		want    string
	}{
		{"wired before wireless, though packets leave by Wi-Fi", map[string]string{
			"wlan0/address": wifi, "wlan0/device/modalias": "sdio", "wlan0/phy80211/macaddress": wifi, "wlan0/addr_assign_type": "0",
			"eth0/address": wired, "eth0/device/modalias": "of", "eth0/addr_assign_type": "0", "eth0/operstate": "down"}, "wlan0", "B827EB000001"},
		{"the first of many", map[string]string{
			"eth10/address": "b8:27:eb:00:00:10", "eth10/device/modalias": "of", "eth2/address": wired, "eth2/device/modalias": "of"}, "eth10", "B827EB000001"},
		{"a USB adapter that was plugged in changes nothing", map[string]string{
			"wlan0/address": wifi, "wlan0/device/modalias": "sdio", "wlan0/uevent": "DEVTYPE=wlan",
			"eth0/address": "00:e0:4c:00:00:09", "eth0/device/bInterfaceNumber": "00"}, "eth0", "B827EB000002"},
		{"Ethernet on the board's own USB bus is built in", map[string]string{
			"wlan0/address": wifi, "wlan0/device/modalias": "sdio", "wlan0/wireless/link": "0",
			"eth0/address": wired, "eth0/device/bInterfaceNumber": "00", "eth0/device/of_node/name": "ethernet"}, "", "B827EB000001"},
		{"a network manager's random address of Wi-Fi is not taken", map[string]string{
			"wlan0/address": "de:ad:be:ef:00:01", "wlan0/addr_assign_type": "3", "wlan0/device/modalias": "sdio", "wlan0/phy80211/macaddress": wifi}, "wlan0", "B827EB000002"},
		{"the bridge that packets leave by", map[string]string{
			"br0/address": "02:00:00:00:00:01", "br0/bridge/bridge_id": "8000", "br0/brif/eth0/port_no": "1", "br0/brif/tap0/port_no": "2", "br0/addr_assign_type": "3",
			"tap0/address": "02:00:00:00:00:02", "eth0/address": wired, "eth0/device/modalias": "of"}, "br0", "B827EB000001"},
		{"a bond's slaves share an address, but each has its own", map[string]string{
			"bond0/address": wired, "bond0/addr_assign_type": "2",
			"eth0/address": "b8:27:eb:00:00:99", "eth0/device/modalias": "of", "eth0/bonding_slave/perm_hwaddr": wired,
			"eth1/address": "b8:27:eb:00:00:99", "eth1/device/modalias": "of", "eth1/bonding_slave/perm_hwaddr": "b8:27:eb:00:00:77"}, "bond0", "B827EB000001"},
		{"a USB gadget makes its address up", map[string]string{
			"usb0/address": "5a:00:00:00:00:01", "usb0/device/uevent": "DRIVER=configfs-gadget", "usb0/addr_assign_type": "1"}, "usb0", made},
		{"a modem with an address of its own making before none", map[string]string{
			"wwan0/address": "02:1e:10:1f:00:00", "wwan0/device/bInterfaceNumber": "00", "wwan0/addr_assign_type": "0"}, "", "021E101F0000"},
		{"a board that has its address from a boot loader", map[string]string{
			"eth0/address": "02:81:11:22:33:44", "eth0/device/modalias": "of", "eth0/addr_assign_type": "0",
			"wlan0/address": wifi, "wlan0/device/bInterfaceNumber": "00", "wlan0/phy80211/macaddress": wifi}, "", "B827EB000002"},
		{"a container has the interface that packets leave by", map[string]string{
			"docker0/address": "02:42:00:00:00:01", "eth0/address": "02:42:ac:11:00:02", "eth0/addr_assign_type": "3"}, "eth0", "0242AC110002"},
		{"a VLAN on a virtual interface is that interface", map[string]string{
			"eth0.7/address": "02:42:ac:11:00:09", "eth0.7/lower_eth0": "", "eth0/address": "02:42:ac:11:00:02", "eth0/addr_assign_type": "3"}, "eth0.7", "0242AC110002"},
		{"a tunnel has none", map[string]string{"wg0/type": "65534", "dummy0/address": "02:42:00:00:00:01", "dummy0/addr_assign_type": "1"}, "wg0", made},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := netInterfaces(nets(tt.files)).mac(tt.towards, id); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestSerialNumberAndFirmware(t *testing.T) {
	tests := []struct {
		name  string
		files map[string]string
		cfg   Config
		want  Identity // without MAC
	}{
		{"Raspberry Pi OS", map[string]string{
			"proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\x00", "proc/device-tree/serial-number": "10000000abcdef01\x00",
			"etc/os-release": "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\nVERSION_ID=\"12\"\n"},
			Config{}, Identity{Model: "Raspberry Pi 4 Model B Rev 1.4", Serial: "10000000abcdef01", Firmware: "Debian GNU/Linux 12 (bookworm)"}},
		{"an old kernel tells the serial number in cpuinfo", map[string]string{
			"proc/cpuinfo":           "processor\t: 0\nmodel name\t: ARMv7 Processor rev 4 (v7l)\n\nHardware\t: BCM2835\nRevision\t: a02082\nSerial\t\t: 00000000deadbeef\n",
			"proc/device-tree/model": "Raspberry Pi 3 Model B Rev 1.2\x00"},
			Config{}, Identity{Model: "Raspberry Pi 3 Model B Rev 1.2", Serial: "00000000deadbeef"}},
		{"a vendor's image by Buildroot", map[string]string{
			"sys/firmware/devicetree/base/model": "Anyka AK3918\x00", "proc/cpuinfo": "Serial\t\t: 0000000000000000\n",
			"etc/os-release": "NAME=Buildroot\nVERSION=2023.02.6\nID=buildroot\nVERSION_ID=2023.02.6\nPRETTY_NAME=\"Buildroot 2023.02.6\"\nIMAGE_ID=ipc\nIMAGE_VERSION='4.2.1'\n"},
			Config{}, Identity{Model: "Anyka AK3918", Firmware: "ipc 4.2.1"}},
		{"a PC whose maker left the fields empty", map[string]string{
			"sys/class/dmi/id/product_name": "To Be Filled By O.E.M.\n", "sys/class/dmi/id/product_serial": "Default string\n", "sys/class/dmi/id/board_serial": "BSS-0123456789\n",
			"proc/sys/kernel/osrelease": "6.1.0-18-amd64\n"},
			Config{Model: "box"}, Identity{Model: "box", Serial: "BSS-0123456789", Firmware: "Linux 6.1.0-18-amd64"}},
		{"configured", map[string]string{"proc/device-tree/serial-number": "1\x00"},
			Config{Model: "m", Serial: "s", FirmwareVersion: "f"}, Identity{Model: "m", Serial: "s", Firmware: "f"}},
		{"bytes that are no text", map[string]string{"proc/device-tree/serial-number": "\xff\xfe\x01A1\u202e\x1b[2J\n\x00", "proc/device-tree/model": "m"},
			Config{}, Identity{Model: "m", Serial: "A1[2J"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Identify(tt.cfg, tree(tt.files), nil)
			tt.want.MAC, tt.want.Maker = got.MAC, "camward"
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
		})
	}
}
