// The live picture, what is drawn over it, and how much moves.

import {$, say, verdict, percent, api} from './base.js';
import {Live} from './live.js';
import {Overlay} from './overlay.js';

const stale = 2500; // ms after which the detector's word is of the past
const stalled = 6000; // ms without a picture after which it begins anew

export const overlay = new Overlay($('overlay'));

const video = $('video'), mjpeg = $('mjpeg');
let page, live, heard = 0, painted = 0;
let plain = ''; // why the picture comes by MJPEG, if it does

export function begin(shared) {
	page = shared;
	live = new Live({track: (stream) => { video.srcObject = stream; }, message: (m) => page.tell(m), state: changed});
	video.onresize = () => shape(video.videoWidth, video.videoHeight);
	video.onplaying = () => { $('veil').hidden = true; };
	const count = () => {
		painted = Date.now();
		$('veil').hidden = true;
		video.requestVideoFrameCallback(count);
	};
	video.requestVideoFrameCallback?.(count);
	mjpeg.onload = () => shape(mjpeg.naturalWidth, mjpeg.naturalHeight);
	mjpeg.onerror = broken;
	$('again').onclick = watch;
	$('big').onclick = () => enlarge(!document.body.classList.contains('large'));
	document.addEventListener('keydown', (e) => e.key === 'Escape' && enlarge(false));
	setInterval(look, 1000);
}

// watch begins the picture anew, by WebRTC if that can be.
export function watch() {
	show('');
	painted = 0;
	if (page.camera) live.watch(page.camera);
}

export function stop() {
	live.stop();
	show('');
	verdict('link', 'Paused');
}

function show(reason) {
	plain = reason;
	forget();
	$('why').hidden = mjpeg.hidden = !reason;
	video.hidden = !!reason;
	if (!reason) mjpeg.removeAttribute('src');
	else mjpeg.src = `/cameras/${encodeURIComponent(page.camera)}/stream.mjpeg?${Date.now()}`;
}

function veil(text) {
	say('veil', text);
	$('veil').hidden = false;
}

function changed(name, text) {
	if (name === 'live') {
		painted = Date.now();
		verdict('link', 'Live', 'good');
		return;
	}
	forget();
	veil(text);
	if (name === 'connecting') verdict('link', 'Connecting…', 'warn');
	else if (name === 'problem') verdict('link', 'No picture', 'bad');
	else fallBack(text);
}

function fallBack(reason) {
	show(reason);
	say('reason', `The simpler MJPEG picture, a little later and without cells and boxes: ${reason}`);
	verdict('link', 'MJPEG', 'warn');
}

// broken asks why the MJPEG picture ended: perhaps the sign-in did.
async function broken() {
	if (!plain) return;
	veil('The picture ended. Trying again…');
	verdict('link', 'No picture', 'bad');
	await api('/api/status').catch(() => {});
	setTimeout(() => plain && fallBack(plain), 3000);
}

function shape(w, h) {
	overlay.size = {w, h};
	$('stage').style.aspectRatio = `${w} / ${h}`;
	$('veil').hidden = true;
	overlay.draw();
}

function enlarge(on) {
	document.body.classList.toggle('large', on);
	$('big').ariaPressed = on;
}

function look() {
	if (heard && Date.now() - heard > stale) forget();
	if (live.pc?.connectionState === 'connected' && Date.now() - painted > stalled && video.requestVideoFrameCallback && !document.hidden) watch();
}

function forget() {
	heard = 0;
	overlay.see();
	$('badge').hidden = true;
	meter();
}

export function told(m) {
	if (m.type !== 'detector') return;
	heard = Date.now();
	overlay.see(m);
	meter(m);
	const badge = m.learning ? 'Learning the scene' : m.scene_change ? 'Whole picture changed' : m.moving ? 'Motion' : '';
	$('badge').hidden = !badge;
	mark($('badge'), m.moving);
	say('badge', badge);
}

// known takes the status for what the detector says where nothing else tells.
export function known({cameras}) {
	const m = plain && cameras.find((c) => c.name === page.camera)?.motion;
	if (m) told({type: 'detector', moving: m.moving, score: m.score, min_area: page.detection?.min_area});
}

const mark = (e, moving) => moving ? e.dataset.kind = 'bad' : delete e.dataset.kind;

// at is a share's place on the meter: each step of ten is as long, from 0.01 % to the whole picture.
const at = (share) => `${Math.min(100, Math.max(0, 25 * (Math.log10(share || 1e-9) + 4)))}%`;

function meter({score, min_area: least, moving} = {}) {
	$('level').style.width = at(score);
	mark($('level'), moving);
	$('threshold').hidden = !least;
	$('threshold').style.left = at(least);
	const text = score === undefined ? 'Waiting for the detector…' : score ? `${percent(score)} of the picture moves` : 'Nothing moves';
	say('score', text + (least ? ` · counts from ${percent(least)}` : ''));
}
