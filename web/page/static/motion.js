// What counts as motion: areas of the picture, and how much it takes.

import {$, say, percent, api, latest, plural} from './base.js';
import {overlay} from './view.js';
import {Editor} from './zones.js';

let page;
const editor = new Editor($('overlay'), () => overlay.box(), edited);

// Size goes in steps of a share of what it is; duration grows with its square.
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
	// A click by keyboard wants an area that is moved by keyboard.
	for (const kind of ['include', 'exclude']) $(`add-${kind}`).onclick = (e) => editor.add(kind, !e.detail);
	$('cells').onchange = () => {
		overlay.cells = $('cells').checked;
		overlay.draw();
	};
	$('configured').onclick = () => ask('DELETE');
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

// chosen is called for another camera.
export function chosen() {
	end();
	page.detection = undefined;
	overlay.zones = [];
	return ask();
}

export function shown(on) {
	overlay.areas = on;
	overlay.draw();
	if (!on) end();
	else if (page.camera && !page.detection) ask();
}

// request asks or tells the camera; it answers with what it holds then.
async function request(method, values) {
	const {camera} = page;
	const d = await api(`/api/cameras/${encodeURIComponent(camera)}/detection`, method, values);
	if (camera === page.camera) show(d);
}

async function ask(method) {
	say('detection-error', '');
	try {
		await request(method);
	} catch (e) {
		if (page.detection) show(page.detection);
		say('detection-error', e.message);
	}
}

// put sends all that is held, changed so.
function put(values) {
	const {from, ...held} = page.detection;
	return request('PUT', {...held, ...values});
}

const change = latest(async (values) => {
	say('detection-error', '');
	try {
		await put(values);
	} catch (e) {
		show(page.detection);
		say('detection-error', `Not changed: ${e.message}`);
	}
});

const origins = {page: 'Set on this page, in force now.', cloud: 'The areas come from the cloud.', configuration: 'As in the configuration.'};

function show(d) {
	page.detection = d;
	overlay.zones = zones(d);
	overlay.draw();
	for (const s of sliders) {
		const input = $(s.id);
		input.disabled = false;
		if (input.matches(':active')) continue;
		input.value = s.write(d[s.key]);
		words(s, d[s.key]);
	}
	$('draw').disabled = false;
	const [w, i] = [d.include.length, d.exclude.length];
	say('areas', (w ? plural(w, 'watched area') : 'The whole picture is watched') + (i ? `, ${plural(i, 'ignored area')}.` : '.'));
	say('detection-state', origins[d.from] || '');
	$('configured').hidden = d.from === 'configuration';
}

const zones = (d) => ['include', 'exclude'].flatMap((kind) => d[kind].map((points) => ({kind, points})));

function drawing(on) {
	$('tools').hidden = !on;
	document.body.classList.toggle('drawing', on);
	overlay.editor = on ? editor : undefined;
	$('overlay').tabIndex = on ? 0 : -1;
}

function start() {
	say('zone-error', '');
	drawing(true);
	editor.begin(zones(page.detection));
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
	const of = (kind) => editor.zones.filter((z) => z.kind === kind).map((z) => z.points);
	try {
		await put({include: of('include'), exclude: of('exclude')});
		end();
	} catch (e) {
		say('zone-error', `Not saved: ${e.message}`);
	}
}
