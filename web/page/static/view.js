// The live picture, what is drawn over it, and how much moves.

import {$, say, percent, api} from './base.js';
import {Live} from './live.js';
import {Overlay} from './overlay.js';

const stale = 2500; // ms after which what the detector said is of the past
const stalled = 6000; // ms without a picture after which the session is begun anew

export const overlay = new Overlay($('overlay'));

let page, heard = 0, painted = 0, live, plain = false;

export function begin(shared) {
	page = shared;
	const video = $('video');
	live = new Live({
		track: (stream) => { video.srcObject = stream; },
		message: (m) => page.tell(m),
		state: changed,
	});
	video.onresize = () => shape(video.videoWidth, video.videoHeight);
	video.onplaying = () => { $('veil').hidden = true; };
	const count = () => {
		painted = Date.now();
		video.requestVideoFrameCallback(count);
	};
	video.requestVideoFrameCallback?.(count);
	$('mjpeg').onload = () => shape($('mjpeg').naturalWidth, $('mjpeg').naturalHeight);
	$('mjpeg').onerror = broken;
	$('again').onclick = watch;
	$('big').onclick = () => enlarge(!document.body.classList.contains('large'));
	document.addEventListener('keydown', (e) => e.key === 'Escape' && enlarge(false));
	setInterval(look, 1000);
}

// watch begins the picture anew, by WebRTC if that can be.
export function watch() {
	plain = false;
	$('mjpeg').removeAttribute('src');
	$('mjpeg').hidden = true;
	$('video').hidden = false;
	$('why').hidden = true;
	painted = 0;
	forget();
	if (page.camera) live.watch(page.camera);
}

export function stop() {
	live.stop();
	plain = false;
	$('mjpeg').removeAttribute('src');
	forget();
	link('Paused');
}

function link(text, kind = '') {
	say('link', text);
	$('link').dataset.kind = kind;
}

function changed(name, text) {
	$('veil').hidden = name === 'live' && painted > 0;
	say('veil', name === 'live' ? 'Waiting for the first picture…' : text);
	if (name === 'live') {
		painted = Date.now();
		link('Live', 'good');
		return;
	}
	forget();
	link(name === 'problem' ? 'No picture' : 'Connecting…', name === 'problem' ? 'bad' : 'warn');
	if (name === 'unusable') fallBack(text);
}

// fallBack shows the camera's JPEGs one after the other: more traffic, later, and without the detector's own words.
function fallBack(reason) {
	plain = true;
	say($('why').firstElementChild, `${reason} This is the simpler MJPEG picture: a little later, and without cells and boxes.`);
	$('why').hidden = false;
	$('video').hidden = true;
	$('mjpeg').hidden = false;
	$('mjpeg').src = `/cameras/${encodeURIComponent(page.camera)}/stream.mjpeg?${Date.now()}`;
	link('MJPEG', 'warn');
}

// broken finds out why the MJPEG picture ended: perhaps the sign-in did.
async function broken() {
	if (!plain || !$('mjpeg').hasAttribute('src')) return;
	say('veil', 'The picture ended. Trying again…');
	$('veil').hidden = false;
	link('No picture', 'bad');
	const reason = $('why').firstElementChild.textContent;
	await api('/api/status').catch(() => {});
	setTimeout(() => {
		if (!plain || !$('mjpeg').hasAttribute('src')) return;
		fallBack('');
		say($('why').firstElementChild, reason);
	}, 3000);
}

function shape(w, h) {
	if (!w || !h) return;
	overlay.size = {w, h};
	$('stage').style.aspectRatio = `${w} / ${h}`;
	$('veil').hidden = true;
	overlay.draw();
}

function enlarge(on) {
	document.body.classList.toggle('large', on);
	$('big').ariaPressed = on;
	overlay.draw();
}

// look notices what has stopped coming.
function look() {
	if (heard && Date.now() - heard > stale) forget();
	const waiting = live.pc?.connectionState === 'connected' && painted && Date.now() - painted > stalled;
	if (waiting && !document.hidden && $('video').requestVideoFrameCallback) watch();
}

function forget() {
	heard = 0;
	overlay.see(undefined);
	$('badge').hidden = true;
	meter();
}

// told shows what the detector says, or the status where there is nothing better.
export function told(m) {
	if (m.type !== 'detector') return;
	heard = Date.now();
	overlay.see(m);
	meter(m);
	const badge = m.learning ? 'Learning the scene' : m.scene_change ? 'Whole picture changed' : m.moving ? 'Motion' : '';
	$('badge').hidden = !badge;
	$('badge').dataset.kind = m.moving ? 'bad' : '';
	say('badge', badge);
}

// known stands in for the detector where there is no channel to hear it by.
export function known(status) {
	const motion = plain && status.cameras.find((c) => c.name === page.camera)?.motion;
	if (motion) told({type: 'detector', moving: motion.moving, score: motion.score, min_area: page.detection?.min_area});
}

// A share's place on the meter: each step of ten is as long, from 0.01 % to the whole picture.
const mark = (share) => `${Math.min(100, Math.max(0, 25 * (Math.log10(share || 1e-9) + 4)))}%`;

function meter(m) {
	$('level').style.width = m ? mark(m.score) : '0';
	$('level').dataset.kind = m?.moving ? 'bad' : '';
	$('threshold').hidden = !m?.min_area;
	if (!m) {
		say('score', 'Waiting for the detector…');
		return;
	}
	if (m.min_area) $('threshold').style.left = mark(m.min_area);
	say('score', `${m.score ? `${percent(m.score)} of the picture moves` : 'Nothing moves'}${m.min_area ? ` · counts from ${percent(m.min_area)}` : ''}`);
}
