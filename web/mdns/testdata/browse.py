"""Prints what zeroconf finds of a type: browse.py TYPE; one JSON object per line as things change, for a minute."""
import json, sys, time
from zeroconf import ServiceBrowser, ServiceListener, Zeroconf, IPVersion

class Listener(ServiceListener):
    def show(self, event, zc, type_, name):
        info = zc.get_service_info(type_, name, 3000) if event != "remove" else None
        print(json.dumps({
            "event": event, "name": name,
            "server": info and info.server, "port": info and info.port,
            "addresses": sorted(info.parsed_addresses()) if info else [],
            "text": {k.decode(): v.decode() for k, v in info.properties.items()} if info else {},
        }), flush=True)
    def add_service(self, zc, type_, name): self.show("add", zc, type_, name)
    def update_service(self, zc, type_, name): self.show("update", zc, type_, name)
    def remove_service(self, zc, type_, name): self.show("remove", zc, type_, name)

zc = Zeroconf(ip_version=IPVersion.All)
browser = ServiceBrowser(zc, sys.argv[1], Listener())
time.sleep(60)
zc.close()
