// Who this device is, its log, and the file for support.

import {$, el, say, api, repeat, clock, plural, span} from './base.js';

const maxLines = 1000; // on the page
const levels = ['debug', 'info', 'warn', 'error'];

let page, ask, next = 0, lines = [];

export function begin(shared) {
	page = shared;
	$('log-level').onchange = draw;
	$('follow').onchange = bottom;
	$('copy').onclick = copy;
	$('log').onscroll = () => {
		const box = $('log');
		const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
		if (!atEnd && !box.dataset.moving) $('follow').checked = false;
		delete box.dataset.moving;
	};
	ask = repeat(2000, () => page.showing('device'), load);
}

export function shown(on) {
	if (on) ask();
}

async function load() {
	try {
		const r = await api(`/api/logs?after=${next}`);
		if (r.next < next) lines = []; // the camera has started anew and has sent all
		next = r.next;
		say('log-state', '');
		if (!r.lines?.length) return;
		lines = lines.concat(r.lines).slice(-maxLines);
		draw();
	} catch (e) {
		say('log-state', e.message);
	}
}

const level = (l) => Math.max(0, levels.indexOf(l.level) < 0 ? 3 : levels.indexOf(l.level));
const fields = (l) => Object.entries(l.fields || {}).map(([k, v]) => ` ${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`).join('');
const chosen = () => lines.filter((l) => level(l) >= Number($('log-level').value));

function draw() {
	const list = chosen();
	$('log').replaceChildren(...list.map((l) => el('div', {className: `l${level(l)}`},
		el('time', {textContent: clock(l.time), dateTime: l.time}), ' ', el('b', {textContent: l.from || ''}), ` ${l.text}`, el('span', {className: 'soft', textContent: fields(l)}))));
	if (!list.length) $('log').append(el('div', {className: 'soft', textContent: 'Nothing of that kind.'}));
	bottom();
}

function bottom() {
	if (!$('follow').checked) return;
	$('log').dataset.moving = 'yes';
	$('log').scrollTop = $('log').scrollHeight;
}

// copy works without HTTPS too, where browsers have no clipboard for pages but by the old way.
async function copy() {
	const text = chosen().map((l) => `${l.time} ${l.level} ${l.from || ''} ${l.text}${fields(l)}\n`).join('');
	try {
		await navigator.clipboard.writeText(text);
		say('log-state', 'Copied.');
	} catch {
		const area = el('textarea', {value: text, className: 'away'});
		document.body.append(area);
		area.select();
		say('log-state', document.execCommand('copy') ? 'Copied.' : 'The browser does not let the page copy.');
		area.remove();
	}
}

// known shows the status.
export function known(s) {
	const id = s.identity || {};
	const rows = [
		['Version', s.version], ['MAC address', (id.mac || '').replace(/(..)(?=.)/g, '$1:')],
		['Maker and model', [id.maker, id.model].filter(Boolean).join(' ')], ['Serial number', id.serial], ['Firmware', id.firmware],
		['Running for', span(s.uptime_s)], ['HTTPS fingerprint', s.https_fingerprint],
		...s.cameras.flatMap((c) => camera(c, s)),
	];
	$('facts').replaceChildren(...rows.filter((r) => r[1]).map(([k, v]) => el('div', {}, el('dt', {textContent: k}), el('dd', {textContent: v}))));
}

function camera(c, s) {
	const {capture: p, motion, clip} = c;
	const f = p.format || {};
	const picture = f.width ? `${f.format} ${f.width}×${f.height}${f.rate ? `, ${Math.round(f.rate)} a second` : ''}` : 'no pictures';
	const viewers = (s.live?.viewers || []).filter((v) => v.camera === c.name).length;
	return [
		[`Camera ${c.name}`, `${[p.card, p.device].filter(Boolean).join(', ') || p.source} · ${picture}`],
		['', p.last_error && !p.running ? p.last_error : ''],
		['Pictures lost', p.drops + p.errored ? `${p.drops} missing, ${p.errored} broken, of ${p.frames}` : ''],
		['Watching now', plural(viewers, 'viewer')],
		['Since the start', `${plural(motion?.events || 0, 'stretch', 'stretches')} of motion, ${plural(clip?.clips || 0, 'clip')}${clip?.last_error ? `; ${clip.last_error}` : ''}`],
	];
}
