// The page as a whole: which camera, which part, what to do while nobody looks.

import {$, el, say, api, repeat} from './base.js';
import * as view from './view.js';
import * as aim from './aim.js';
import * as motion from './motion.js';
import * as upload from './upload.js';
import * as device from './device.js';

const tabs = {aim, motion, upload, device};
const names = Object.keys(tabs);
const parts = [view, ...Object.values(tabs)];

// What the parts share; also camera and tab (names), and what the camera answered: status, detection, privacy.
const page = {
	showing: (tab) => !document.hidden && page.tab === tab,
	tell: (message) => parts.forEach((p) => p.told?.(message)),
};

// Where the picture is out of sight, the camera need not make it.
const narrow = matchMedia('(max-width: 699px)');
let watching;

function watchOrStop(away) {
	const wanted = away !== true && !document.hidden && (!narrow.matches || page.tab === 'aim' || page.tab === 'motion');
	if (wanted === watching) return;
	watching = wanted;
	if (wanted) view.watch();
	else view.stop();
}

function open() {
	const tab = names.find((n) => `#${n}` === location.hash) || 'aim';
	const old = page.tab;
	page.tab = document.body.dataset.tab = tab;
	for (const name of names) {
		$(`tab-${name}`).ariaSelected = name === tab;
		$(`tab-${name}`).tabIndex = name === tab ? 0 : -1;
		$(`panel-${name}`).hidden = name !== tab;
	}
	if (old && old !== tab) tabs[old].shown(false);
	tabs[tab].shown(true);
	watchOrStop();
}

function choose(camera) {
	page.camera = camera;
	sessionStorage.setItem('camera', camera);
	$('camera').value = camera;
	document.title = `${camera} – camward`;
	if (watching) view.watch();
	parts.forEach((p) => p.chosen?.());
}

function cameras(list) {
	const select = $('camera');
	if (select.textContent !== list.join('')) select.replaceChildren(...list.map((n) => el('option', {value: n}, n)));
	select.hidden = list.length < 2;
	$('name').hidden = !select.hidden;
	say('name', list[0] || 'camward');
	const last = sessionStorage.getItem('camera');
	if (!list.includes(page.camera) && list.length) choose(list.includes(last) ? last : list[0]);
}

async function load() {
	try {
		page.status = await api('/api/status');
		$('lost').hidden = true;
		cameras(page.status.cameras.map((c) => c.name));
		parts.forEach((p) => p.known?.(page.status));
	} catch (e) {
		say('lost', `${e.message} Trying again…`);
		$('lost').hidden = false;
	}
}

$('camera').onchange = () => choose($('camera').value);
for (const name of names) $(`tab-${name}`).onclick = () => { location.hash = name; };
document.querySelector('.tabs').onkeydown = (e) => {
	const by = {ArrowRight: 1, ArrowLeft: 3}[e.key];
	if (!by) return;
	const next = $(`tab-${names[(names.indexOf(page.tab) + by) % 4]}`);
	next.click();
	next.focus();
};

for (const p of parts) p.begin(page);
open();
const ask = repeat(2000, () => !document.hidden, load);
addEventListener('hashchange', open);
narrow.addEventListener('change', watchOrStop);
document.addEventListener('visibilitychange', () => {
	watchOrStop();
	ask();
});
addEventListener('pagehide', () => watchOrStop(true));
addEventListener('pageshow', watchOrStop);
