// Focus, light and the camera's own settings.

import {$, el, say, verdict, percent, api, latest} from './base.js';
import {overlay} from './view.js';

let page, best = 0, history = [];

export function begin(shared) {
	page = shared;
	$('reset-best').onclick = startOver;
	$('zoom').onclick = () => {
		const on = $('stage').classList.toggle('zoomed');
		$('zoom').ariaPressed = on;
		say('zoom', on ? 'Show all' : 'Magnify the middle');
	};
	$('defaults').onclick = () => put(Object.fromEntries(known.map((c) => [c.name, c.default])));
	$('histogram').append(...Array.from({length: 32}, () => el('i')));
}

function startOver() {
	best = 0;
	history = [];
	say('best', '–');
}

// chosen is called for another camera.
export function chosen() {
	startOver();
	say('focus', '–');
	load();
}

export function shown(on) {
	overlay.focus = on;
	if (!on && $('stage').classList.contains('zoomed')) $('zoom').click();
	overlay.draw();
	if (on) load();
}

export function told(m) {
	if (m.type !== 'picture') return;
	focus(m.focus);
	light(m);
}

const figure = (v) => v >= 100 ? v.toFixed(0) : v.toPrecision(3);

// focus shows sharpness, and whether the last second was better than the one before.
function focus(value) {
	best = Math.max(best, value);
	history.push(value);
	if (history.length > 4) history.shift();
	say('focus', figure(value));
	say('best', figure(best));
	const share = best ? value / best : 0;
	$('focus-bar').firstElementChild.style.width = `${share * 100}%`;
	$('focus-bar').dataset.kind = share >= 0.95 ? 'good' : share >= 0.75 ? 'warn' : 'bad';
	const [a, b] = [mean(history.slice(0, -2)), mean(history.slice(-2))];
	const change = history.length < 4 ? 0 : b / (a || 1) - 1;
	const trend = change > 0.03 ? 'up' : change < -0.03 ? 'down' : '';
	say('trend', trend === 'up' ? '▲ sharper' : trend === 'down' ? '▼ softer' : share >= 0.95 ? '● sharp as it got' : '● steady');
	$('trend').dataset.kind = trend === 'up' ? 'good' : trend === 'down' ? 'bad' : '';
}

const mean = (list) => list.reduce((a, b) => a + b, 0) / (list.length || 1);

function light({mean, dark, bright, histogram}) {
	say('mean', percent(mean));
	say('dark', percent(dark));
	say('bright', percent(bright));
	const most = Math.max(...histogram, 0.001);
	[...$('histogram').children].forEach((bar, i) => { bar.style.height = `${Math.sqrt((histogram[i] || 0) / most) * 100}%`; });
	if (bright > 0.1) verdict('light', 'Too bright: parts of the picture are plain white. Turn away from lamps and windows, or lower the exposure.', 'warn');
	else if (dark > 0.4 || mean < 0.12) verdict('light', 'Too dark: much of the picture is black. Add light, or raise the exposure.', 'warn');
	else if (bright > 0.02 && dark > 0.1) verdict('light', 'Strong contrast: both black and white parts. A window in the picture?', 'warn');
	else verdict('light', 'Good light.', 'good');
}

let known = [];

async function load() {
	const camera = page.camera;
	if (!camera || page.tab !== 'aim') return;
	try {
		const list = await api(path(camera));
		if (camera === page.camera) show(list);
	} catch (e) {
		$('controls').replaceChildren();
		say('controls-error', e.message);
	}
}

const path = (camera) => `/api/cameras/${encodeURIComponent(camera)}/controls`;

const put = latest(async (values) => {
	try {
		show(await api(path(page.camera), 'PUT', values));
	} catch (e) {
		await load();
		say('controls-error', `Not changed: ${e.message}`);
	}
});

// show brings the list up to date; what is being dragged stays as it is.
function show(list) {
	say('controls-error', '');
	$('defaults').hidden = !list.length;
	const same = known.length === list.length && list.every((c, i) => c.id === known[i].id);
	known = list;
	if (!same || !list.length) {
		$('controls').replaceChildren(...list.length ? list.map(row) : [el('p', {className: 'soft', textContent: 'This camera has no settings of its own.'})]);
	}
	list.forEach((c, i) => {
		const input = $(`control-${i}`);
		if (input.matches(':active')) return;
		if (c.type === 'boolean') input.checked = !!c.value;
		else input.value = c.value;
		const value = $(`value-${i}`);
		if (value) say(value, String(c.value));
	});
}

function row(c, i) {
	const id = `control-${i}`;
	if (c.type === 'boolean') {
		const input = el('input', {type: 'checkbox', id, onchange: () => put({[c.name]: input.checked ? 1 : 0})});
		return el('label', {className: 'check'}, input, ` ${c.label}`);
	}
	if (c.type === 'menu') {
		const input = el('select', {id, onchange: () => put({[c.name]: Number(input.value)})}, ...c.menu.map((m) => el('option', {value: m.value, textContent: m.label})));
		return el('div', {}, el('label', {htmlFor: id, textContent: c.label}), input);
	}
	const value = el('output', {id: `value-${i}`});
	const input = el('input', {type: 'range', id, min: c.min, max: c.max, step: c.step || 1});
	input.oninput = () => {
		say(value, input.value);
		put({[c.name]: Number(input.value)});
	};
	return el('div', {}, el('label', {htmlFor: id}, `${c.label} `, value), input);
}
