// Areas of the picture: what counts as motion, what nobody is to see; and how much it takes.

import {$, say, percent, api, attempt, latest, plural} from './base.js';
import {overlay} from './view.js';
import {Editor, verbs} from './zones.js';

let page;
const kinds = Object.keys(verbs);
const editor = new Editor($('overlay'), () => overlay.box(), edited);

// Size goes in equal ratios, duration in squares.
const sliders = [
	{id: 'contrast', key: 'min_contrast', read: (v) => v, write: (v) => v, words: (v) => `${v} levels`},
	{id: 'area', key: 'min_area', read: (v) => Number((1e-4 * 5000 ** (v / 100)).toPrecision(2)), write: (v) => 100 * Math.log(v / 1e-4) / Math.log(5000), words: percent},
	{id: 'duration', key: 'min_duration_ms', read: (v) => v * v, write: Math.sqrt, words: (v) => v < 1000 ? `${v} ms` : `${(v / 1000).toFixed(1)} s`},
];

export function begin(shared) {
	page = shared;
	$('draw').onclick = start;
	$('cancel').onclick = end;
	$('save').onclick = save;
	$('undo').onclick = () => editor.undo();
	$('delete').onclick = () => editor.remove();
	// A click without a pointer wants a whole area.
	for (const kind of kinds) $(`add-${kind}`).onclick = (e) => editor.add(kind, !e.detail);
	$('cells').onchange = () => {
		overlay.cells = $('cells').checked;
		overlay.draw();
	};
	$('configured').onclick = () => ask('DELETE', ['detection']);
	$('unhide').onclick = () => ask('DELETE', ['privacy']);
	for (const s of sliders) {
		const input = $(s.id);
		input.oninput = () => {
			const value = s.read(Number(input.value));
			words(s, value);
			change({[s.key]: value});
		};
	}
}

function words(s, value) {
	say(`${s.id}-value`, $(s.id).ariaValueText = s.words(value));
}

export function chosen() {
	end();
	page.detection = page.privacy = undefined;
	overlay.zones = [];
	return ask();
}

export function shown(on) {
	overlay.areas = on;
	overlay.draw();
	if (!on) end();
	else if (page.camera && !(page.detection && page.privacy)) ask();
}

// request asks or tells the camera, which answers with what it holds then.
async function request(part, method, values) {
	const {camera} = page;
	const held = await api(`/api/cameras/${encodeURIComponent(camera)}/${part}`, method, values);
	if (camera !== page.camera) return;
	page[part] = held;
	show();
}

async function ask(method, parts = ['detection', 'privacy']) {
	if (!await attempt('detection-error', () => Promise.all(parts.map((p) => request(p, method))))) show();
}

function put(values) {
	const {from, ...held} = page.detection;
	return request('detection', 'PUT', {...held, ...values});
}

const change = latest(async (values) => {
	if (!await attempt('detection-error', () => put(values), 'Not changed: ')) show();
});

const origins = {page: 'Set on this page, in force now.', cloud: 'The areas come from the cloud.', configuration: 'As in the configuration.'};

function show() {
	const {detection: d, privacy: p} = page;
	if (!d || !p) return;
	overlay.zones = zones();
	overlay.draw();
	for (const s of sliders) {
		const input = $(s.id);
		input.disabled = false;
		if (input.matches(':active')) continue;
		input.value = s.write(d[s.key]);
		words(s, d[s.key]);
	}
	$('draw').disabled = false;
	const [watched, ...rest] = lists().map((list, i) => list.length && plural(list.length, `${['watched', 'ignored', 'hidden'][i]} area`));
	say('areas', `${[watched || 'The whole picture is watched', ...rest].filter(Boolean).join(', ')}.`);
	say('detection-state', origins[d.from] || '');
	$('configured').hidden = d.from === 'configuration';
	$('unhide').hidden = p.from === 'configuration';
}

const lists = () => [page.detection.include, page.detection.exclude, page.privacy.areas];
const zones = () => lists().flatMap((list, i) => list.map((points) => ({kind: kinds[i], points})));

function drawing(on) {
	$('tools').hidden = !on;
	document.body.classList.toggle('drawing', on);
	overlay.editor = on ? editor : undefined;
	$('overlay').tabIndex = on ? 0 : -1;
}

function start() {
	say('zone-error', '');
	drawing(true);
	editor.begin(zones());
}

function end() {
	if (!editor.active) return;
	editor.active = false;
	drawing(false);
	overlay.draw();
	$('draw').focus();
}

function edited() {
	overlay.draw();
	say('hint', editor.hint());
	$('undo').disabled = $('save').disabled = !editor.history.length;
	$('delete').disabled = !editor.draft && !editor.picked;
}

async function save() {
	editor.close();
	const drawn = kinds.map((kind) => editor.zones.filter((z) => z.kind === kind).map((z) => z.points));
	const [include, exclude, areas] = drawn;
	const [i, e, a] = lists().map((held, k) => JSON.stringify(held) !== JSON.stringify(drawn[k]));
	if (await attempt('zone-error', async () => {
		if (a) await request('privacy', 'PUT', {areas});
		if (i || e) await put({include, exclude});
	}, 'Not saved: ')) end();
}
