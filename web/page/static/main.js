// The page as a whole: which camera, which part, what to do while nobody looks.

import {$, el, say, api, repeat} from './base.js';
import * as view from './view.js';
import * as aim from './aim.js';
import * as motion from './motion.js';
import * as upload from './upload.js';
import * as device from './device.js';

const tabs = {aim, motion, upload, device};
const parts = [view, aim, motion, upload, device];

// What the parts share.
const page = {
	camera: '',
	tab: '',
	status: undefined,
	detection: undefined,
	showing: (tab) => !document.hidden && page.tab === tab,
	tell: (message) => parts.forEach((p) => p.told?.(message)),
};

// Where the picture is out of sight, the camera need not make it.
const narrow = matchMedia('(max-width: 699px)');
const watched = () => !document.hidden && (!narrow.matches || page.tab === 'aim' || page.tab === 'motion');
let watching;

function watchOrStop() {
	if (watched() === watching) return;
	watching = watched();
	if (watching) view.watch();
	else view.stop();
}

function open(tab, focus) {
	if (!tabs[tab]) tab = 'aim';
	const old = page.tab;
	page.tab = tab;
	document.body.dataset.tab = tab;
	for (const name of Object.keys(tabs)) {
		const button = $(`tab-${name}`);
		button.ariaSelected = name === tab;
		button.tabIndex = name === tab ? 0 : -1;
		$(`panel-${name}`).hidden = name !== tab;
	}
	if (focus) $(`tab-${tab}`).focus();
	if (old && old !== tab) tabs[old].shown?.(false);
	tabs[tab].shown?.(true);
	watchOrStop();
}

function choose(camera) {
	page.camera = camera;
	sessionStorage.setItem('camera', camera);
	$('camera').value = camera;
	if (watching) view.watch();
	parts.forEach((p) => p.chosen?.());
}

// cameras fills the selector; one camera needs none.
function cameras(list) {
	const names = list.map((c) => c.name);
	const select = $('camera');
	if ([...select.options].map((o) => o.value).join('\n') !== names.join('\n')) {
		select.replaceChildren(...names.map((n) => el('option', {value: n, textContent: n})));
		select.value = page.camera;
	}
	select.hidden = names.length < 2;
	$('name').hidden = !select.hidden;
	say('name', names[0] || 'camward');
	document.title = `${page.camera || names[0] || 'camera'} – camward`;
	const last = sessionStorage.getItem('camera');
	if (!names.includes(page.camera) && names.length) choose(names.includes(last) ? last : names[0]);
}

async function load() {
	try {
		page.status = await api('/api/status');
		$('lost').hidden = true;
		cameras(page.status.cameras);
		parts.forEach((p) => p.known?.(page.status));
	} catch (e) {
		say('lost', `${e.message} Trying again…`);
		$('lost').hidden = false;
	}
}

$('camera').onchange = () => choose($('camera').value);
for (const name of Object.keys(tabs)) {
	$(`tab-${name}`).onclick = () => { location.hash = name; };
}
document.querySelector('.tabs').onkeydown = (e) => {
	const by = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[e.key];
	if (!by) return;
	const names = Object.keys(tabs);
	const next = names[(names.indexOf(page.tab) + by + names.length) % names.length];
	history.replaceState(null, '', `#${next}`);
	open(next, true);
	e.preventDefault();
};
addEventListener('hashchange', () => open(location.hash.slice(1)));
document.addEventListener('visibilitychange', watchOrStop);
narrow.addEventListener('change', watchOrStop);
addEventListener('pagehide', () => {
	watching = false;
	view.stop();
});
addEventListener('pageshow', (e) => e.persisted && watchOrStop());

view.begin(page);
for (const p of [aim, motion, upload, device]) p.begin(page);
open(location.hash.slice(1));
const ask = repeat(2000, () => !document.hidden, load);
document.addEventListener('visibilitychange', () => !document.hidden && ask());
