// What is drawn over the picture: cells and boxes of the detector, areas, and the area that is being drawn.

// place gives where a picture of w x h lies in a box that shows it whole, as object-fit: contain does.
export function place(boxWidth, boxHeight, w, h) {
	const scale = Math.min(boxWidth / w, boxHeight / h) || 0;
	return {x: (boxWidth - w * scale) / 2, y: (boxHeight - h * scale) / 2, w: w * scale, h: h * scale};
}

const colour = {include: '#2dd4bf', exclude: '#fb923c', still: '#fde047', moving: '#f43f5e'};

export class Overlay {
	constructor(canvas) {
		this.canvas = canvas;
		this.context = canvas.getContext('2d');
		this.size = {w: 4, h: 3}; // of the picture; only the ratio counts
		this.zones = []; // {kind, points: [[x, y]]}
		this.editor = undefined; // while areas are drawn
		this.cells = true; // show what the detector sees
		this.areas = false; // show the areas and the cells
		this.focus = false; // show where the focus is measured
		this.hatch = hatching(colour.exclude);
		new ResizeObserver(() => this.draw()).observe(canvas);
	}

	// see takes the detector's message, undefined when there is none any more.
	see(message) {
		this.seen = message;
		if (message) {
			const bits = atob(message.cells || '');
			this.bits = Uint8Array.from(bits, (c) => c.charCodeAt(0));
		}
		this.draw();
	}

	// box is where the picture lies on the canvas, in CSS pixels.
	box() {
		const c = this.canvas;
		return place(c.clientWidth, c.clientHeight, this.size.w, this.size.h);
	}

	// draw draws before the next repaint, once however often it is called.
	draw() {
		if (this.due) return;
		this.due = true;
		requestAnimationFrame(() => {
			this.due = false;
			this.paint();
		});
	}

	paint() {
		const {canvas, context: c} = this;
		const density = window.devicePixelRatio || 1;
		const w = Math.round(canvas.clientWidth * density), h = Math.round(canvas.clientHeight * density);
		if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, {width: w, height: h});
		const b = this.box();
		c.setTransform(density, 0, 0, density, 0, 0);
		c.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
		c.save();
		c.translate(b.x, b.y);
		if (this.areas) this.paintAreas(c, b);
		if (this.seen && this.cells) this.paintSeen(c, b);
		if (this.focus) this.paintFocus(c, b);
		if (this.editor) this.paintEditor(c, b);
		c.restore();
	}

	// paintAreas darkens what is not watched and hatches what is ignored.
	paintAreas(c, b) {
		const zones = this.editor ? this.editor.zones : this.zones;
		const include = zones.filter((z) => z.kind === 'include');
		if (include.length) {
			c.fillStyle = 'rgb(0 0 0 / 50%)';
			c.fillRect(0, 0, b.w, b.h);
			c.globalCompositeOperation = 'destination-out';
			c.fillStyle = '#000';
			for (const z of include) c.fill(outline(z.points, b), 'evenodd');
			c.globalCompositeOperation = 'source-over';
		}
		for (const z of zones) {
			const path = outline(z.points, b);
			if (z.kind === 'exclude') {
				c.fillStyle = 'rgb(0 0 0 / 45%)';
				c.fill(path, 'evenodd');
				c.fillStyle = this.hatch;
				c.fill(path, 'evenodd');
			}
			c.strokeStyle = colour[z.kind];
			c.lineWidth = 2;
			c.setLineDash(z.kind === 'exclude' ? [8, 5] : []);
			c.stroke(path);
			c.setLineDash([]);
		}
	}

	paintSeen(c, b) {
		const {grid = [0, 0], boxes, moving} = this.seen;
		const [cols, rows] = grid;
		const w = b.w / cols, h = b.h / rows;
		c.fillStyle = moving ? colour.moving : colour.still;
		c.globalAlpha = 0.45;
		for (let i = 0; this.areas && i < cols * rows; i++) {
			if (this.bits[i >> 3] & (0x80 >> (i & 7))) c.fillRect((i % cols) * w + 0.5, Math.floor(i / cols) * h + 0.5, w - 1, h - 1);
		}
		c.globalAlpha = 1;
		for (const [x0, y0, x1, y1] of boxes || []) {
			c.lineWidth = 5;
			c.strokeStyle = 'rgb(0 0 0 / 60%)';
			c.strokeRect(x0 * b.w, y0 * b.h, (x1 - x0) * b.w, (y1 - y0) * b.h);
			c.lineWidth = 2.5;
			c.strokeStyle = colour.moving;
			c.strokeRect(x0 * b.w, y0 * b.h, (x1 - x0) * b.w, (y1 - y0) * b.h);
		}
	}

	// paintFocus marks the corners of the middle half.
	paintFocus(c, b) {
		const length = Math.min(b.w, b.h) / 16;
		c.lineWidth = 2;
		c.strokeStyle = 'rgb(255 255 255 / 85%)';
		c.shadowColor = '#000';
		c.shadowBlur = 3;
		c.beginPath();
		for (const [x, y, dx, dy] of [[0.25, 0.25, 1, 1], [0.75, 0.25, -1, 1], [0.25, 0.75, 1, -1], [0.75, 0.75, -1, -1]]) {
			c.moveTo(x * b.w + dx * length, y * b.h);
			c.lineTo(x * b.w, y * b.h);
			c.lineTo(x * b.w, y * b.h + dy * length);
		}
		c.stroke();
		c.shadowBlur = 0;
	}

	// paintEditor shows the corners that can be dragged, and between them where new ones can be pulled out.
	paintEditor(c, b) {
		const {draft, zones, picked} = this.editor;
		if (draft) {
			c.strokeStyle = colour[draft.kind];
			c.lineWidth = 2.5;
			c.stroke(outline(draft.points, b, true));
			draft.points.forEach((p, i) => knob(c, b, p, i ? 6 : 10, colour[draft.kind], i === 0 && draft.points.length > 2));
		}
		zones.forEach((z, i) => {
			if (draft || i !== picked?.zone) {
				z.points.forEach((p) => knob(c, b, p, 5, colour[z.kind], false));
				return;
			}
			for (let k = 0; k < z.points.length; k++) knob(c, b, middle(z.points, k), 5, 'rgb(255 255 255 / 70%)', false);
			z.points.forEach((p, k) => knob(c, b, p, 9, colour[z.kind], k === picked.point));
		});
	}
}

// middle is the point halfway from corner k to the next.
export function middle(points, k) {
	const a = points[k], b = points[(k + 1) % points.length];
	return [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
}

function outline(points, b, open = false) {
	const path = new Path2D();
	points.forEach(([x, y]) => path.lineTo(x * b.w, y * b.h));
	if (!open) path.closePath();
	return path;
}

function knob(c, b, [x, y], radius, fill, ring) {
	c.beginPath();
	c.arc(x * b.w, y * b.h, radius, 0, 7);
	c.fillStyle = fill;
	c.fill();
	c.lineWidth = ring ? 4 : 1.5;
	c.strokeStyle = ring ? '#fff' : 'rgb(0 0 0 / 70%)';
	c.stroke();
}

function hatching(stroke) {
	const tile = new OffscreenCanvas(12, 12);
	const c = tile.getContext('2d');
	c.strokeStyle = stroke;
	c.globalAlpha = 0.55;
	c.lineWidth = 1.5;
	for (const d of [-12, 0, 12]) {
		c.moveTo(d, 12);
		c.lineTo(d + 12, 0);
	}
	c.stroke();
	return c.createPattern(tile, 'repeat');
}
