// What counts as motion: areas of the picture, and how much it takes.

import {$, say, percent, api, latest, plural} from './base.js';
import {overlay} from './view.js';
import {Editor} from './zones.js';

let page, editor;

export function begin(shared) {
	page = shared;
	editor = new Editor($('overlay'), () => overlay.box(), edited);
	$('draw').onclick = start;
	$('cancel').onclick = end;
	$('save').onclick = save;
	$('undo').onclick = () => editor.undo();
	$('delete').onclick = () => editor.remove();
	// A click made by keyboard has no place: then an area to move by keyboard is better.
	$('add-include').onclick = (e) => editor.add('include', e.detail === 0);
	$('add-exclude').onclick = (e) => editor.add('exclude', e.detail === 0);
	$('cells').onchange = () => {
		overlay.cells = $('cells').checked;
		overlay.draw();
	};
	$('configured').onclick = back;
	for (const s of sliders) {
		$(s.id).oninput = () => {
			words(s);
			change({[s.key]: s.read(Number($(s.id).value))});
		};
	}
}

// The sliders with their units. Size goes in steps of a share of what it is; duration grows with its square.
const sliders = [
	{id: 'contrast', key: 'min_contrast', read: (v) => v, write: (v) => v, words: (v) => `${v} levels`},
	{id: 'area', key: 'min_area', read: (v) => Number((1e-4 * 5000 ** (v / 100)).toPrecision(2)), write: (v) => 100 * Math.log(v / 1e-4) / Math.log(5000), words: percent},
	{id: 'duration', key: 'min_duration_ms', read: (v) => v * v, write: Math.sqrt, words: (v) => v < 1000 ? `${v} ms` : `${(v / 1000).toFixed(1)} s`},
];

function words(s, value = s.read(Number($(s.id).value))) {
	const text = s.words(value);
	say(`${s.id}-value`, text);
	$(s.id).ariaValueText = text;
}

const path = () => `/api/cameras/${encodeURIComponent(page.camera)}/detection`;

// chosen is called for another camera.
export async function chosen() {
	end();
	page.detection = undefined;
	overlay.zones = [];
	const camera = page.camera;
	try {
		const d = await api(path());
		if (camera === page.camera) show(d);
	} catch (e) {
		say('detection-error', e.message);
	}
}

export function shown(on) {
	overlay.areas = on;
	overlay.draw();
	if (!on) end();
	if (on && page.camera && !page.detection) chosen();
}

// put sends what is held, changed so. The camera answers with what it holds then.
async function put(values) {
	const {include, exclude, min_area, min_contrast, min_duration_ms} = page.detection;
	show(await api(path(), 'PUT', {include, exclude, min_area, min_contrast, min_duration_ms, ...values}));
}

const change = latest(async (values) => {
	if (!page.detection) return;
	say('detection-error', '');
	try {
		await put(values);
		say('detection-state', `In force now. ${origin()}`);
	} catch (e) {
		show(page.detection);
		say('detection-error', `Not changed: ${e.message}`);
	}
});

async function back() {
	try {
		show(await api(path(), 'DELETE'));
		await chosen();
	} catch (e) {
		say('detection-error', e.message);
	}
}

const origin = () => ({
	page: 'Set on this page.', cloud: 'The areas come from the cloud.', configuration: 'As in the configuration.',
})[page.detection.from] || '';

function show(d) {
	if (!d.include) return;
	page.detection = d;
	overlay.zones = zones(d);
	overlay.draw();
	for (const s of sliders) {
		$(s.id).disabled = false;
		if (!$(s.id).matches(':active')) {
			$(s.id).value = s.write(d[s.key]);
			words(s, d[s.key]);
		}
	}
	$('draw').disabled = false;
	const [w, i] = [d.include.length, d.exclude.length];
	say('areas', (w ? `${plural(w, 'watched area')}` : 'The whole picture is watched') + (i ? `, ${plural(i, 'ignored area')}.` : '.'));
	say('detection-state', origin());
	$('configured').hidden = d.from === 'configuration';
}

const zones = (d) => ['include', 'exclude'].flatMap((kind) => d[kind].map((points) => ({kind, points})));

function start() {
	say('zone-error', '');
	$('tools').hidden = false;
	document.body.classList.add('drawing');
	overlay.editor = editor;
	$('overlay').tabIndex = 0;
	editor.begin(zones(page.detection));
	$('view').scrollIntoView({block: 'nearest'});
}

function end() {
	if (!editor.active) return;
	$('tools').hidden = true;
	document.body.classList.remove('drawing');
	overlay.editor = undefined;
	$('overlay').removeAttribute('tabindex');
	editor.end();
	$('draw').focus();
}

function edited() {
	overlay.draw();
	if (!editor.active) return;
	say('hint', editor.hint());
	$('undo').disabled = !editor.history.length;
	$('delete').disabled = !editor.draft && !editor.picked;
	$('save').disabled = !editor.dirty && !(editor.draft?.points.length > 2);
}

async function save() {
	editor.close();
	const of = (kind) => editor.zones.filter((z) => z.kind === kind).map((z) => z.points);
	$('save').disabled = true;
	say('zone-error', '');
	try {
		await put({include: of('include'), exclude: of('exclude')});
		end();
		say('detection-state', `Saved, in force now. ${origin()}`);
	} catch (e) {
		say('zone-error', `Not saved: ${e.message}`);
		$('save').disabled = false;
	}
}
