// Who this device is, and its log.

import {$, el, say, api, repeat, plural, span} from './base.js';

const maxLines = 1000; // on the page
const log = $('log');

let page, ask, next = 0, lines = [];

export function begin(shared) {
	page = shared;
	$('log-level').onchange = draw;
	$('follow').onchange = follow;
	$('copy').onclick = copy;
	for (const type of ['onwheel', 'ontouchmove', 'onkeydown']) log[type] = () => { $('follow').checked = false; };
	ask = repeat(2000, () => page.showing('device'), load);
}

export function shown(on) {
	if (on) ask();
}

async function load() {
	try {
		const r = await api(`/api/logs?after=${next}`);
		if (r.next < next) lines = []; // the camera has started anew
		next = r.next;
		if (!r.lines.length) return;
		lines = [...lines, ...r.lines].slice(-maxLines);
		draw();
	} catch (e) {
		say('log-state', e.message);
	}
}

const level = (l) => ['debug', 'info', 'warn'].indexOf(l.level) + 1 || 4; // what is worse than a warning is an error
const fields = (l) => Object.entries(l.fields || {}).map(([k, v]) => ` ${k}=${typeof v === 'string' ? v : JSON.stringify(v)}`).join('');
const chosen = () => lines.filter((l) => level(l) >= $('log-level').value);

function draw() {
	log.replaceChildren(...chosen().map((l) => {
		return el('div', {className: ['', '', '', 'warn', 'bad'][level(l)]}, new Date(l.time).toLocaleTimeString(), ' ', el('b', {}, l.from || ''), ` ${l.text}`, el('span', {className: 'soft'}, fields(l)));
	}));
	follow();
}

function follow() {
	if ($('follow').checked) log.scrollTop = log.scrollHeight;
}

// copy works without HTTPS too.
function copy() {
	const area = el('textarea', {className: 'away', value: chosen().map((l) => `${l.time} ${l.level} ${l.from || ''} ${l.text}${fields(l)}\n`).join('')});
	document.body.append(area);
	area.select();
	say('log-state', document.execCommand('copy') ? 'Copied.' : 'The browser does not let the page copy.');
	area.remove();
}

export function known(s) {
	const {identity: id, page: at = {}} = s;
	const rows = [
		['Version', s.version], ['MAC address', id.mac.replace(/..(?=.)/g, '$&:')], ['Maker and model', `${id.maker} ${id.model}`],
		['Serial number', id.serial], ['Firmware', id.firmware], ['Running for', span(s.uptime_s)], ['Name here', at.name],
		['HTTPS', at.https], ['Its fingerprint', at.https_fingerprint], ['Disk', s.spool_error], ...s.cameras.flatMap((c) => camera(c, s.live?.viewers || [])),
	];
	$('facts').replaceChildren(...rows.filter((r) => r[1]).map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {}, v))));
}

function camera({name, capture: c, motion, clip, relay}, viewers) {
	const f = c.format || {};
	const picture = f.width ? `${f.format} ${f.width}×${f.height}, ${Math.round(f.rate)} a second` : 'no pictures';
	return [
		[`Camera ${name}`, `${c.card} ${c.device || c.source} · ${picture}`],
		['Trouble', [c.running ? c.reduced : c.last_error, clip.last_error].filter(Boolean).join('; ')],
		['Since the start', `${plural(motion.events, 'stretch', 'stretches')} of motion, ${plural(clip.clips, 'clip')}; ${c.drops + c.errored} of ${plural(c.frames, 'picture')} lost`],
		['Watching now', plural(viewers.filter((v) => v.camera === name).length, 'viewer')],
		['By the cloud', relay?.connected ? 'connected' : 'not connected'],
	];
}
