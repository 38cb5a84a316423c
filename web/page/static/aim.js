// Focus, light and the camera's own settings.

import {$, el, say, verdict, percent, api, attempt, latest} from './base.js';
import {overlay} from './view.js';

let page, best, recent, known = [];

export function begin(shared) {
	page = shared;
	$('reset-best').onclick = startOver;
	$('zoom').onclick = () => zoom(!$('stage').classList.contains('zoomed'));
	$('defaults').onclick = () => put(Object.fromEntries(known.map((c) => [c.name, c.default])));
	$('histogram').append(...Array.from({length: 32}, () => el('i')));
	startOver();
}

function startOver() {
	best = 0;
	recent = [];
}

function zoom(on) {
	$('stage').classList.toggle('zoomed', on);
	$('zoom').ariaPressed = on;
}

export function chosen() {
	startOver();
	load();
}

export function shown(on) {
	overlay.focus = on;
	overlay.draw();
	if (on) load();
	else zoom(false);
}

export function told(m) {
	if (m.type !== 'picture') return;
	focus(m.focus);
	light(m);
}

const figure = (v) => v >= 100 ? v.toFixed(0) : v.toPrecision(3);
const average = (list) => list.reduce((a, b) => a + b, 0) / list.length;

// focus compares the last second with the one before.
function focus(value) {
	best = Math.max(best, value);
	recent = [...recent, value].slice(-4);
	say('focus', figure(value));
	say('best', figure(best));
	const share = value / best || 0;
	$('focus-bar').firstChild.style.width = `${share * 100}%`;
	$('focus-bar').dataset.kind = share > 0.95 ? 'good' : share > 0.75 ? 'warn' : 'bad';
	const change = recent.length < 4 ? 1 : average(recent.slice(2)) / average(recent.slice(0, 2));
	if (change > 1.03) verdict('trend', '▲ sharper', 'good');
	else if (change < 0.97) verdict('trend', '▼ softer', 'bad');
	else verdict('trend', '● steady');
}

function light({mean, dark, bright, histogram}) {
	say('mean', percent(mean));
	say('dark', percent(dark));
	say('bright', percent(bright));
	const most = Math.max(...histogram);
	[...$('histogram').children].forEach((bar, i) => { bar.style.height = `${Math.sqrt(histogram[i] / most) * 100}%`; });
	if (bright > 0.1) verdict('light', 'Too bright: parts of the picture are plain white. Turn away from lamps and windows, or lower the exposure.', 'warn');
	else if (dark > 0.4 || mean < 0.12) verdict('light', 'Too dark: much of the picture is black. Add light, or raise the exposure.', 'warn');
	else verdict('light', 'Good light.', 'good');
}

const path = () => `/api/cameras/${encodeURIComponent(page.camera)}/controls`;

async function load() {
	if (!page.camera || page.tab !== 'aim') return;
	if (await ask('')) return;
	$('controls').replaceChildren();
	known = [];
}

const ask = (before, ...what) => attempt('controls-error', async () => show(await api(path(), ...what)), before);

const put = latest(async (values) => {
	if (!await ask('Not changed: ', 'PUT', values)) show(known);
});

// show lets be what is being dragged.
function show(list) {
	$('defaults').hidden = !list.length;
	if (!list.length) say('controls', 'This camera has none of its own.');
	else if (list.map((c) => c.id).join() !== known.map((c) => c.id).join()) $('controls').replaceChildren(...list.map(row));
	known = list;
	list.forEach((c, i) => {
		const input = $(`control-${i}`);
		if (input.matches(':active')) return;
		if (c.type === 'boolean') input.checked = c.value;
		else input.value = c.value;
		if (c.type === 'integer') say(`control-${i}-value`, String(c.value));
	});
}

function row({name, label, type, min, max, step, menu}, i) {
	const id = `control-${i}`;
	const send = () => put({[name]: type === 'boolean' ? Number(input.checked) : Number(input.value)});
	let input;
	if (type === 'boolean') {
		input = el('input', {type: 'checkbox', id, oninput: send});
		return el('label', {className: 'check'}, input, label);
	}
	if (type === 'menu') {
		input = el('select', {id, oninput: send}, ...menu.map((m) => el('option', {value: m.value}, m.label)));
		return el('label', {}, label, input);
	}
	input = el('input', {type: 'range', id, min, max, step: step || 1, oninput() {
		say(`${id}-value`, input.value);
		send();
	}});
	return el('label', {}, `${label} `, el('span', {id: `${id}-value`}), input);
}
