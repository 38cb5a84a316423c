// The live picture by WHEP (RFC 9725). A Live comes back by itself when the way breaks: first by an ICE restart, then by
// a new session.

import {Problem, signIn} from './base.js';

const connectWithin = 8000; // ms; then this try has failed
const brokenFor = 1500; // ms of silence that ICE may mend by itself
const restartWithin = 4000;

export class Live {
	// on.track(stream), on.message(object), on.state(name, text): name is connecting, live, problem, or unusable, where text
	// says why this browser cannot watch in this way.
	constructor(on) {
		this.on = on;
		this.run = 0; // what belongs to an earlier run is dropped
		this.misses = 0; // tries in a row that did not get through
	}

	// watch begins with a camera, or anew.
	watch(camera) {
		this.stop();
		this.camera = camera;
		if (!window.RTCPeerConnection) {
			this.on.state('unusable', 'This browser has no WebRTC.');
			return;
		}
		this.open();
	}

	// stop ends the session, also while the page goes away.
	stop() {
		this.run++;
		this.restarting = false;
		clearTimeout(this.timer);
		this.pc?.close();
		this.pc = undefined;
		if (this.session) fetch(this.session, {method: 'DELETE', keepalive: true}).catch(() => {});
		this.session = undefined;
	}

	async open() {
		const run = this.run;
		this.on.state('connecting', 'Connecting to the camera…');
		try {
			await this.offer(run);
		} catch (e) {
			if (run === this.run) this.failed(e);
		}
	}

	async offer(run) {
		const pc = this.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
		this.waiting = [];
		this.timer = setTimeout(() => this.failed(new Problem('The picture does not get through.', 0)), connectWithin);
		const channel = pc.createDataChannel('detector', {ordered: false, maxRetransmits: 0});
		channel.onmessage = (e) => run === this.run && this.on.message(JSON.parse(e.data));
		const {receiver} = pc.addTransceiver('video', {direction: 'recvonly'});
		receiver.jitterBufferTarget = 0; // an installer turns the lens by what is seen: late is worse than jerky
		pc.ontrack = (e) => this.on.track(new MediaStream([e.track]));
		pc.onicecandidate = (e) => e.candidate?.candidate && this.trickle(e.candidate);
		pc.onconnectionstatechange = () => run === this.run && this.changed(pc.connectionState);
		await pc.setLocalDescription();
		const r = await send(`/cameras/${encodeURIComponent(this.camera)}/whep`, 'POST', 'application/sdp', pc.localDescription.sdp);
		const location = new URL(r.headers.get('Location'), r.url).href;
		if (run !== this.run) {
			fetch(location, {method: 'DELETE', keepalive: true}).catch(() => {});
			return;
		}
		this.session = location;
		this.etag = r.headers.get('ETag');
		this.answer = await r.text();
		await pc.setRemoteDescription({type: 'answer', sdp: this.answer});
		this.trickle();
	}

	// trickle tells the camera this side's addresses as they are found, in as few requests as there can be.
	trickle(candidate) {
		if (candidate) this.waiting.push(candidate);
		if (!this.session || !this.waiting.length || this.trickling) return;
		const lines = this.waiting.splice(0).map((c) => `a=${c.candidate}`);
		this.trickling = true;
		send(this.session, 'PATCH', fragment, this.ice() + lines.join('\r\n') + '\r\n', this.etag)
			.catch(() => {}) // without them, the camera learns the address from what comes from it
			.finally(() => {
				this.trickling = false;
				this.trickle();
			});
	}

	// ice is the head of a fragment (RFC 8840): this side's credentials and the section that the candidates are of.
	ice() {
		const sdp = this.pc.localDescription.sdp;
		const line = (name) => sdp.match(new RegExp(`^a=${name}:.*$`, 'm'))[0].trim();
		return [line('ice-ufrag'), line('ice-pwd'), sdp.match(/^m=.*$/m)[0].trim(), line('mid'), ''].join('\r\n');
	}

	changed(state) {
		clearTimeout(this.timer);
		if (state === 'connected') {
			this.misses = 0;
			this.restarting = false;
			this.on.state('live', '');
		} else if (state === 'disconnected') {
			this.timer = setTimeout(() => this.restart(), brokenFor);
		} else if (state === 'failed') {
			if (this.restarting) this.failed(new Problem('The connection broke.', 0));
			else this.restart();
		} else if (state !== 'closed') {
			this.timer = setTimeout(() => this.failed(new Problem('The picture does not get through.', 0)), connectWithin);
		}
	}

	// restart looks for another way within the same session: the phone may have gone from one network to the next.
	async restart() {
		const run = this.run;
		this.restarting = true;
		this.on.state('connecting', 'The connection broke. Looking for another way…');
		this.timer = setTimeout(() => this.failed(new Problem('The connection broke.', 0)), restartWithin);
		try {
			const {pc, session} = this;
			this.session = undefined; // candidates wait until the camera knows of the new credentials
			pc.restartIce();
			await pc.setLocalDescription();
			this.session = session;
			const r = await send(session, 'PATCH', fragment, this.ice(), this.etag);
			const text = await r.text();
			if (run !== this.run) return;
			this.etag = r.headers.get('ETag') || this.etag;
			this.answer = merged(this.answer, text);
			await pc.setRemoteDescription({type: 'answer', sdp: this.answer});
			this.trickle();
		} catch (e) {
			if (run === this.run) this.failed(e);
		}
	}

	// failed says why and tries again, later each time. Where it cannot ever work here, it says that once.
	failed(e) {
		const camera = this.camera;
		this.stop();
		if (e.status === 501 || e.status === 406) {
			this.on.state('unusable', e.message);
			return;
		}
		this.misses++;
		if (!e.status && this.misses > 2 && e.answered !== false) {
			this.on.state('unusable', 'WebRTC does not get through this network.');
			return;
		}
		this.on.state('problem', e.message || String(e));
		this.timer = setTimeout(() => this.watch(camera), Math.min(1000 * 2 ** (this.misses - 1), 10000));
	}
}

const fragment = 'application/trickle-ice-sdpfrag';

async function send(url, method, kind, body, etag) {
	const headers = {'Content-Type': kind};
	if (etag) headers['If-Match'] = etag;
	let r;
	try {
		r = await fetch(url, {method, headers, body});
	} catch {
		throw Object.assign(new Problem('The camera does not answer.', 0), {answered: false});
	}
	if (r.status === 401) signIn();
	if (!r.ok) throw new Problem((await r.text()).trim().slice(0, 300) || `The camera answered ${r.status}.`, r.status);
	return r;
}

// merged puts a restart's credentials and candidates in place of those that the answer had.
function merged(answer, fragment) {
	const lines = fragment.split(/\r?\n/);
	const ufrag = lines.find((l) => l.startsWith('a=ice-ufrag:'));
	const pwd = lines.find((l) => l.startsWith('a=ice-pwd:'));
	const candidates = lines.filter((l) => /^a=(candidate:|end-of-candidates)/.test(l));
	let out = answer.split(/\r?\n/).filter((l) => !/^a=(candidate:|end-of-candidates)/.test(l));
	out = out.flatMap((l) => {
		if (l.startsWith('a=ice-ufrag:')) return [ufrag];
		if (l.startsWith('a=ice-pwd:')) return [pwd, ...candidates];
		return [l];
	});
	return out.join('\r\n');
}
