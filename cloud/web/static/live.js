'use strict';

// Live view: an offer goes to the camera through this server (WHEP), the picture comes straight from the camera, or through a
// relay where there is no other way.
class Watch {
  constructor(box) {
    this.address = box.dataset.live;
    this.box = box;
    this.video = box.querySelector('video');
    this.status = box.querySelector('[role=status]');
    this.buttons = {begin: box.querySelector('.begin'), end: box.querySelector('.end'), full: box.querySelector('.full')};
    this.wanted = false; // the person wants to watch; the connection comes and goes
    this.buttons.begin.addEventListener('click', () => this.begin());
    this.buttons.end.addEventListener('click', () => this.end());
    this.buttons.full.addEventListener('click', () => this.video.requestFullscreen ? this.video.requestFullscreen().catch(() => {}) : this.video.webkitEnterFullscreen());
    this.video.addEventListener('playing', () => { clearTimeout(this.patience); this.say(''); this.failures = 0; this.playing = true; });
    this.video.addEventListener('resize', () => { this.video.parentElement.style.aspectRatio = this.video.videoWidth + ' / ' + this.video.videoHeight; });
    setInterval(() => this.look(), 1000);
    document.addEventListener('visibilitychange', () => document.hidden ? this.close() : this.wanted && this.open());
    addEventListener('pagehide', () => this.close(true));
    addEventListener('pageshow', (e) => e.persisted && this.wanted && this.open());
  }

  say(text, fault) {
    this.status.textContent = text;
    this.status.classList.toggle('fault', !!fault);
    this.status.classList.toggle('spinner', !!text && !fault);
  }

  show(watching) {
    this.video.hidden = this.buttons.end.hidden = this.buttons.full.hidden = !watching;
    this.buttons.begin.hidden = watching;
  }

  begin() {
    this.wanted = true;
    this.failures = 0;
    this.show(true);
    this.buttons.end.focus({preventScroll: true});
    this.box.scrollIntoView({block: 'nearest'});
    this.open();
  }

  end(fault) {
    this.wanted = false;
    this.close();
    this.show(false);
    this.say(fault || '', fault);
  }

  // close ends the connection; open makes a new one. Unless the page goes away, the camera hears of it here first: a session that
  // ends by itself is one that cannot be found a moment later.
  close(leaving) {
    clearTimeout(this.patience);
    clearTimeout(this.again);
    const {pc, session} = this;
    this.pc = this.session = this.etag = null;
    this.restarting = this.playing = this.still = false;
    if (!pc) return;
    this.video.srcObject = null;
    const told = session && fetch(session, {method: 'DELETE', keepalive: true}).catch(() => {});
    if (!told || leaving) return pc.close();
    told.then(() => pc.close());
    setTimeout(() => pc.close(), 1000);
  }

  // look sees whether the picture stands still although the connection does not say so: nobody shall take an old one for the present.
  look() {
    const frames = this.video.getVideoPlaybackQuality().totalVideoFrames, now = performance.now();
    if (frames !== this.frames || !this.playing || document.hidden) {
      this.frames = frames;
      this.moved = now;
      if (this.still) this.say('');
      this.still = false;
    } else if (now - this.moved > 4000 && !this.status.textContent) {
      this.still = true;
      this.say('No new pictures come from the camera. Waiting …');
    }
  }

  async open() {
    this.close();
    if (document.hidden) return;
    this.say('Connecting …');
    const pc = this.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
    this.patience = setTimeout(() => this.lost(pc, new Refused('No picture comes through. Perhaps a firewall is in the way, between this browser and the camera.')), 20000);
    try {
      await this.negotiate(pc);
    } catch (e) {
      this.lost(pc, e);
    }
  }

  async negotiate(pc) {
    const info = await (await this.ask('GET', this.address)).json();
    if (pc !== this.pc) return;
    if (!info.web_rtc) throw new Refused('The camera is not connected for live view at the moment.', !this.failures);
    pc.setConfiguration({...pc.getConfiguration(), iceServers: info.ice_servers});
    const {receiver} = pc.addTransceiver('video', {direction: 'recvonly'});
    if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    this.candidates = [];
    pc.onicecandidate = (e) => { if (e.candidate?.candidate) this.candidate(pc, e.candidate.candidate); };
    pc.onconnectionstatechange = () => this.changed(pc);
    pc.ontrack = (e) => { if (pc === this.pc) this.video.srcObject = e.streams[0] || new MediaStream([e.track]); };
    await pc.setLocalDescription();
    await gathered(pc, 50); // this computer's own addresses are there at once; others follow
    if (pc !== this.pc) return;
    const offer = pc.localDescription.sdp;
    this.candidates = this.candidates.filter((c) => !offer.includes(c));
    const r = await this.ask('POST', this.address, 'application/sdp', offer);
    const session = new URL(r.headers.get('Location'), location).href, answer = await r.text();
    if (pc !== this.pc) {
      fetch(session, {method: 'DELETE', keepalive: true}).catch(() => {});
      return;
    }
    this.session = session;
    this.etag = r.headers.get('ETag');
    await pc.setRemoteDescription({type: 'answer', sdp: answer});
    this.trickle(pc);
  }

  // candidate keeps this side's addresses and sends them on, several at a time.
  candidate(pc, line) {
    if (pc !== this.pc) return;
    this.candidates.push(line);
    if (this.etag && !this.restarting) this.trickle(pc);
  }

  trickle(pc) {
    clearTimeout(this.sending);
    this.sending = setTimeout(() => {
      const lines = this.candidates;
      if (pc !== this.pc || !lines.length) return;
      this.candidates = [];
      this.ask('PATCH', this.session, 'application/trickle-ice-sdpfrag', fragment(pc, lines), {'If-Match': this.etag}).catch(() => {}); // it may work without them
    }, 50);
  }

  changed(pc) {
    if (pc !== this.pc) return;
    clearTimeout(this.again);
    if (pc.connectionState === 'disconnected') this.again = setTimeout(() => this.restart(pc), 2000);
    if (pc.connectionState === 'failed') this.restart(pc);
  }

  // restart looks for another way to the same session; where there is none any more, a new one is opened.
  async restart(pc) {
    if (pc !== this.pc || this.restarting) return;
    this.restarting = true;
    this.say('The connection was lost. Looking for another way …');
    try {
      if (!this.session || pc.iceRestarts >= 3) throw new Refused('The connection was lost.');
      pc.iceRestarts = (pc.iceRestarts || 0) + 1;
      const info = await (await this.ask('GET', this.address)).json();
      if (pc !== this.pc) return; // closed meanwhile, or another has been opened
      pc.setConfiguration({...pc.getConfiguration(), iceServers: info.ice_servers});
      const before = pc.currentRemoteDescription.sdp;
      this.candidates = [];
      await pc.setLocalDescription(await pc.createOffer({iceRestart: true}));
      await gathered(pc, 300);
      if (pc !== this.pc) return;
      const lines = this.candidates;
      this.candidates = [];
      const r = await this.ask('PATCH', this.session, 'application/trickle-ice-sdpfrag', fragment(pc, lines), {'If-Match': '"*"'});
      const answer = await r.text();
      if (pc !== this.pc) return;
      this.etag = r.headers.get('ETag');
      await pc.setRemoteDescription({type: 'answer', sdp: renewed(before, answer)});
      if (pc !== this.pc) return;
      this.restarting = false;
      this.trickle(pc);
      clearTimeout(this.again);
      this.again = setTimeout(() => { if (pc.connectionState !== 'connected') this.lost(pc, new Refused('The connection was lost.')); else this.say(''); }, 8000);
    } catch (e) {
      if (pc !== this.pc) return;
      this.restarting = false;
      this.lost(pc, e);
    }
  }

  // lost tries again after a while, unless it makes no sense.
  lost(pc, e) {
    if (pc !== this.pc) return;
    this.close();
    this.failures++;
    const text = e instanceof Refused ? e.message : 'The connection was lost.';
    if (!this.wanted || e.final || this.failures > 8) return this.end(text);
    this.say(text + ' Trying again …');
    this.again = setTimeout(() => this.wanted && this.open(), Math.min(10000, 1000 * 2 ** this.failures));
  }

  async ask(method, url, type, body, headers) {
    let r;
    try {
      r = await fetch(url, {method, body, headers: {...(type && {'Content-Type': type}), ...headers}, cache: 'no-store'});
    } catch {
      throw new Refused('The server cannot be reached.');
    }
    if (r.ok) return r;
    if (r.status === 401) throw new Refused('You are signed out. Reload the page to sign in again.', true);
    const told = await r.json().catch(() => ({}));
    throw new Refused((told.message || 'The server answered ' + r.status).replace(/\.?$/, '.'), [400, 403, 404, 406, 413, 415, 501].includes(r.status) && method !== 'PATCH');
  }
}

// A Refused is an error that is worded for the person; final says that trying again makes no sense.
class Refused extends Error {
  constructor(text, final) {
    super(text);
    this.final = final;
  }
}

// gathered waits for all of this side's addresses, at most so many milliseconds.
function gathered(pc, limit) {
  return new Promise((done) => {
    const look = () => { if (pc.iceGatheringState === 'complete') done(); };
    pc.addEventListener('icegatheringstatechange', look);
    setTimeout(done, limit);
    look();
  });
}

const line = (sdp, key) => sdp.match(new RegExp('^a=' + key + ':.*', 'm'))[0].trim();

// fragment is what RFC 8840 wants to be sent of this side's description.
function fragment(pc, candidates) {
  const {sdp} = pc.localDescription;
  return [line(sdp, 'ice-ufrag'), line(sdp, 'ice-pwd'), 'm=video 9 UDP/TLS/RTP/SAVPF 0', line(sdp, 'mid'), ...candidates.map((c) => 'a=' + c), ''].join('\r\n');
}

// renewed is the camera's description with the credentials and addresses of its fragment.
function renewed(sdp, fragment) {
  const own = fragment.split(/\r?\n/).filter((l) => l.startsWith('a=candidate:'));
  return sdp.replace(/^a=(candidate:.*|end-of-candidates)\r?\n/gm, '')
    .replace(/^a=ice-ufrag:.*/gm, () => line(fragment, 'ice-ufrag')).replace(/^a=ice-pwd:.*/gm, () => line(fragment, 'ice-pwd'))
    .replace(/^a=mid:.*\r?\n/m, (mid) => mid + own.map((l) => l + '\r\n').join(''));
}

for (const box of document.querySelectorAll('.watch')) box.watch = new Watch(box);
