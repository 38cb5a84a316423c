// The live picture by WHEP (RFC 9725). When its way breaks it comes back by an ICE restart, else by a new session.

import {Problem, request} from './base.js';

const connectWithin = 8000; // ms
const restartWithin = 4000;
const mendsItself = 1500; // ms of silence before a restart
const missed = -1; // a Problem's status: the media does not come

export class Live {
	// on: track(stream); message(object); state(name, text) with connecting, live, problem, or unusable: not in this way, here.
	constructor(on) {
		this.on = on;
		this.run = 0; // what belongs to an earlier run is dropped
		this.misses = 0; // tries in a row that did not get through
	}

	watch(camera) {
		this.stop();
		this.camera = camera;
		if (!window.RTCPeerConnection) {
			this.on.state('unusable', 'This browser has no WebRTC.');
			return;
		}
		this.on.state('connecting', 'Connecting to the camera…');
		this.guard(this.open());
	}

	stop() {
		const {pc} = this;
		this.run++;
		clearTimeout(this.timer);
		if (this.session) end(this.session).finally(() => pc.close());
		else pc?.close();
		this.pc = this.session = undefined;
		this.restarting = false;
	}

	// guard has a step's failure told.
	guard(step) {
		const {run} = this;
		step.catch((e) => run === this.run && this.failed(e));
	}

	within(limit, text) {
		this.later(() => this.failed(new Problem(text, missed)), limit);
	}

	later(f, time) {
		clearTimeout(this.timer);
		this.timer = setTimeout(f, time);
	}

	async open() {
		const {run} = this;
		const pc = this.pc = new RTCPeerConnection({bundlePolicy: 'max-bundle'});
		const ours = (f) => (e) => run === this.run && f(e);
		this.within(connectWithin, 'The picture does not get through.');
		pc.createDataChannel('detector', {ordered: false, maxRetransmits: 0}).onmessage = ours((e) => this.on.message(JSON.parse(e.data)));
		pc.addTransceiver('video', {direction: 'recvonly'}).receiver.jitterBufferTarget = 0; // late is worse than jerky
		pc.ontrack = (e) => this.on.track(new MediaStream([e.track]));
		pc.onicegatheringstatechange = ours(() => this.trickle());
		pc.onconnectionstatechange = ours(() => this.changed());
		await pc.setLocalDescription();
		const r = await send(`/cameras/${encodeURIComponent(this.camera)}/whep`, 'POST', 'sdp', pc.localDescription.sdp);
		const session = new URL(r.headers.get('Location'), r.url).href;
		const answer = await r.text();
		if (run !== this.run) {
			end(session);
			return;
		}
		await this.accept(session, r, answer);
	}

	async accept(session, r, answer) {
		this.etag = r.headers.get('ETag') || this.etag;
		this.answer = answer;
		await this.pc.setRemoteDescription({type: 'answer', sdp: answer});
		this.session = session;
		this.trickle();
	}

	// trickle tells the camera where this side can be reached.
	trickle() {
		if (this.session && this.pc.iceGatheringState === 'complete') this.patch(this.session).catch(() => {});
	}

	// patch sends a fragment (RFC 8840) with this side's credentials and candidates.
	patch(session) {
		const lines = this.pc.localDescription.sdp.match(/^(m=.*|a=(ice-ufrag|ice-pwd|mid|candidate):.*)$/gm).map((l) => l.trim());
		const first = (start) => lines.find((l) => l.startsWith(start));
		const head = ['a=ice-ufrag', 'a=ice-pwd', 'm=', 'a=mid'].map(first);
		return send(session, 'PATCH', 'trickle-ice-sdpfrag', [...head, ...lines.filter((l) => l.startsWith('a=candidate')), ''].join('\r\n'), this.etag);
	}

	changed() {
		const state = this.pc.connectionState;
		if (state === 'connected') {
			clearTimeout(this.timer);
			this.misses = 0;
			this.restarting = false;
			this.on.state('live', '');
		} else if (state === 'disconnected' && !this.restarting) {
			this.later(() => this.restart(), mendsItself);
		} else if (state === 'failed') {
			this.restart();
		}
	}

	// restart looks for another way: the phone may have changed networks.
	restart() {
		if (this.restarting || !this.session) {
			this.failed(new Problem('The connection broke.', missed));
			return;
		}
		this.restarting = true;
		this.on.state('connecting', 'The connection broke. Looking for another way…');
		this.within(restartWithin, 'The connection broke.');
		this.guard(this.renew());
	}

	async renew() {
		const {pc, run, session} = this;
		pc.restartIce();
		await pc.setLocalDescription();
		const r = await this.patch(session);
		const answer = merged(this.answer, await r.text());
		if (run !== this.run) return;
		await this.accept(session, r, answer);
		this.changed(); // the old way may hold until there is a new one
	}

	failed(e) {
		const {camera} = this;
		this.stop();
		if (e.status === missed) this.misses++;
		if (e.status === 501 || e.status === 406) {
			this.on.state('unusable', e.message);
		} else if (this.misses > 2) {
			this.on.state('unusable', 'WebRTC does not get through this network.');
		} else {
			this.on.state('problem', e.message);
			this.later(() => this.watch(camera), 2000);
		}
	}
}

const end = (session) => fetch(session, {method: 'DELETE', keepalive: true}).catch(() => {});

function send(url, method, kind, body, etag) {
	const headers = {'Content-Type': `application/${kind}`};
	if (etag) headers['If-Match'] = etag;
	return request(url, {method, headers, body});
}

// merged is an answer with a restart's credentials and candidates in place of its own.
function merged(answer, fragment) {
	const fresh = (name) => fragment.match(new RegExp(`^a=${name}:.*$`, 'gm')) || [];
	const lines = answer.split(/\r?\n/).filter((l) => !/^a=(candidate|end-of-candidates)/.test(l));
	return lines.flatMap((l) => {
		if (l.startsWith('a=ice-ufrag:')) return fresh('ice-ufrag')[0].trim();
		if (l.startsWith('a=ice-pwd:')) return [fresh('ice-pwd')[0], ...fresh('candidate')].map((x) => x.trim());
		return l;
	}).join('\r\n');
}
