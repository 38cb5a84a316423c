// Drawing areas on the picture, by finger, mouse or keyboard. Points are fractions 0..1 of the picture.

import {middle} from './overlay.js';

const near = {touch: 26, mouse: 12, pen: 16}; // CSS pixels within which a point is meant
const snap = 0.015; // so close to the picture's edge, the edge is meant
const maxUndo = 50;

export class Editor {
	// box() is where the picture lies on the canvas; changed() is called whenever what there is to show changes.
	constructor(canvas, box, changed) {
		Object.assign(this, {canvas, box, changed, active: false});
		for (const [name, f] of Object.entries({pointerdown: this.down, pointermove: this.move, pointerup: this.up, pointercancel: this.up, keydown: this.key})) {
			canvas.addEventListener(name, (e) => this.active && f.call(this, e));
		}
	}

	begin(zones) {
		this.zones = structuredClone(zones);
		this.before = JSON.stringify(this.zones);
		this.history = [];
		this.picked = undefined; // {zone, point}; a point of -1 means the area itself
		this.draft = undefined; // the area whose corners are being set
		this.active = true;
		this.changed();
	}

	end() {
		this.active = false;
		this.changed();
	}

	get dirty() {
		return JSON.stringify(this.zones) !== this.before;
	}

	remember() {
		this.history.push(JSON.stringify([this.zones, this.draft]));
		if (this.history.length > maxUndo) this.history.shift();
	}

	undo() {
		const last = this.history.pop();
		if (!last) return;
		[this.zones, this.draft] = JSON.parse(last);
		this.draft ||= undefined;
		this.picked = undefined;
		this.changed();
	}

	// add begins an area whose corners are then tapped. Asked for by keyboard, it is put in the middle, to be moved from there.
	add(kind, whole) {
		this.remember();
		this.draft = undefined;
		if (whole) {
			this.zones.push({kind, points: [[0.3, 0.3], [0.7, 0.3], [0.7, 0.7], [0.3, 0.7]]});
			this.picked = {zone: this.zones.length - 1, point: -1};
			this.canvas.focus();
		} else {
			this.draft = {kind, points: []};
			this.picked = undefined;
		}
		this.changed();
	}

	// close makes the draft an area; with fewer than three corners it is none.
	close() {
		const {draft} = this;
		if (!draft || draft.points.length < 3) return;
		this.remember();
		this.zones.push(draft);
		this.draft = undefined;
		this.picked = {zone: this.zones.length - 1, point: -1};
		this.changed();
	}

	// remove deletes the corner that is picked, or the area; an area of three corners goes with any of them.
	remove() {
		const {picked, draft} = this;
		if (!draft && !picked) return;
		this.remember();
		if (draft) {
			this.draft = undefined;
		} else if (picked.point >= 0 && this.zones[picked.zone].points.length > 3) {
			this.zones[picked.zone].points.splice(picked.point, 1);
			picked.point = -1;
		} else {
			this.zones.splice(picked.zone, 1);
			this.picked = undefined;
		}
		this.changed();
	}

	// at gives the fraction of the picture under the pointer, and the distance in which a point is meant.
	at(e) {
		const r = this.canvas.getBoundingClientRect(), b = this.box();
		return {x: (e.clientX - r.left - b.x) / b.w, y: (e.clientY - r.top - b.y) / b.h, b, reach: near[e.pointerType] || near.mouse};
	}

	down(e) {
		if (e.button) return;
		e.preventDefault();
		this.canvas.focus();
		this.canvas.setPointerCapture(e.pointerId);
		const p = this.at(e);
		if (this.draft) this.set(p);
		else this.grab(p);
		this.changed();
	}

	// set puts a corner of the draft, or closes it where the first is.
	set(p) {
		const {points} = this.draft;
		if (points.length > 2 && distance(p, points[0]) < p.reach) {
			this.close();
			return;
		}
		this.remember();
		points.push(inside(p));
		this.drag = {points, point: points.length - 1, kept: true};
	}

	// grab takes what is under the pointer: a corner, a place for a new one, an area; or nothing.
	grab(p) {
		const drag = this.find(p);
		this.picked = drag && {zone: drag.zone, point: drag.point};
		if (!drag) return;
		this.remember();
		const {points} = this.zones[drag.zone];
		if (drag.insert) points.splice(drag.point, 0, inside(p));
		this.drag = {...drag, points, kept: drag.insert, from: p, start: structuredClone(points)};
	}

	find(p) {
		const order = this.zones.map((_, i) => i).reverse();
		const chosen = this.picked?.zone;
		if (chosen !== undefined) order.unshift(chosen);
		for (const zone of order) {
			const {points} = this.zones[zone];
			const point = nearest(p, points);
			if (point >= 0) return {zone, point};
			if (zone !== chosen) continue;
			const edge = nearest(p, points.map((_, k) => middle(points, k)));
			if (edge >= 0) return {zone, point: edge + 1, insert: true};
		}
		const zone = order.find((i) => contains(this.zones[i].points, p));
		return zone === undefined ? undefined : {zone, point: -1};
	}

	move(e) {
		const {drag} = this;
		if (!drag) return;
		const p = this.at(e);
		if (drag.point >= 0) {
			drag.points[drag.point] = inside(p);
		} else {
			shift(drag.points, drag.start, p.x - drag.from.x, p.y - drag.from.y);
		}
		drag.kept ||= Math.hypot((p.x - drag.from.x) * p.b.w, (p.y - drag.from.y) * p.b.h) > p.reach / 4;
		this.changed();
	}

	up() {
		const {drag} = this;
		this.drag = undefined;
		if (drag && !drag.kept) { // a tap picks and changes nothing
			drag.start.forEach((p, i) => drag.points[i] = p);
			this.history.pop();
		}
		this.changed();
	}

	key(e) {
		const step = e.shiftKey ? 0.05 : 0.01;
		const way = {ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step]}[e.key];
		if (way && this.picked) this.nudge(...way);
		else if (e.key === 'PageDown' || e.key === 'PageUp') this.next(e.key === 'PageDown' ? 1 : -1);
		else if (e.key === 'Delete' || e.key === 'Backspace') this.remove();
		else if (e.key === 'Enter') this.close();
		else if (e.key === 'z' && (e.ctrlKey || e.metaKey)) this.undo();
		else return;
		e.preventDefault();
	}

	nudge(dx, dy) {
		const {zone, point} = this.picked;
		const {points} = this.zones[zone];
		this.remember();
		if (point >= 0) points[point] = inside({x: points[point][0] + dx, y: points[point][1] + dy}, 0);
		else shift(points, structuredClone(points), dx, dy);
		this.changed();
	}

	// next goes through all areas, and the corners of each.
	next(by) {
		const all = this.zones.flatMap((z, zone) => [-1, ...z.points.keys()].map((point) => ({zone, point})));
		const now = all.findIndex((p) => p.zone === this.picked?.zone && p.point === this.picked?.point);
		this.picked = all[(now + by + all.length) % all.length] || all[0];
		this.changed();
	}

	// hint says what can be done now.
	hint() {
		const {draft, picked} = this;
		if (draft) {
			const n = draft.points.length;
			if (n < 3) return `Tap the corners of the part to ${draft.kind === 'include' ? 'watch' : 'ignore'}. ${n} of at least 3.`;
			return 'Tap more corners, or the first again to finish.';
		}
		if (picked?.point >= 0) return 'Drag the corner. Delete removes it.';
		if (picked) return 'Drag corners, or the area. Pull a small dot for a new corner. Delete removes the area.';
		return this.zones.length ? 'Tap an area to change it, or add one.' : 'The whole picture is watched. Add an area to watch, or one to ignore.';
	}
}

const round = (v) => Math.round(v * 1e4) / 1e4;
const inside = (p, edge = snap) => [p.x, p.y].map((v) => v < edge ? 0 : v > 1 - edge ? 1 : round(v));
const distance = (p, q) => Math.hypot((p.x - q[0]) * p.b.w, (p.y - q[1]) * p.b.h);

// nearest is the point within reach that is nearest, or -1.
function nearest(p, points) {
	let best = -1, least = p.reach;
	points.forEach((q, i) => {
		const d = distance(p, q);
		if (d < least) [best, least] = [i, d];
	});
	return best;
}

// contains decides by the even-odd rule, as the detector does.
function contains(points, p) {
	let within = false;
	points.forEach(([ax, ay], i) => {
		const [bx, by] = points[(i + 1) % points.length];
		if ((ay > p.y) !== (by > p.y) && p.x < ax + (p.y - ay) / (by - ay) * (bx - ax)) within = !within;
	});
	return within;
}

// shift moves an area as far as it stays in the picture.
function shift(points, start, dx, dy) {
	const limit = (k, d) => Math.max(-Math.min(...start.map((q) => q[k])), Math.min(1 - Math.max(...start.map((q) => q[k])), d));
	const x = limit(0, dx), y = limit(1, dy);
	start.forEach((q, i) => points[i] = [round(q[0] + x), round(q[1] + y)]);
}
