// The filter: bounds of activations from the coarse table, and the search for the
// windows whose activations they do not decide. docs/engine.md has the proof.

typedef uint16_t halves __attribute__((vector_size(VECTOR), may_alias));

// An entry of the coarse table is round(T/unit) less the least such number of its
// position and channel. In a 32-bit word of a row lie the 16 bits of a filter of an
// even octet of the band and those of the odd octet after it.
TARGET static void quantize(const struct table_shape *s, int32_t block, int32_t n, const float *octets, const float *low,
                            const struct table_limits *limits, uint8_t *band) {
	const part shift = all(12582912); // 1.5·2^23: adding it rounds to an integer
	const size_t octet = (size_t)s->window * (size_t)s->symbols * ROW;
	const int32_t first = block * POSITIONS;
	uint32_t *row = (uint32_t *)(band + (size_t)first * BYTES * BAND_ROW);
	memset(row, 0, (size_t)POSITIONS * BYTES * BAND_ROW);
	for (int32_t t = first; t < first + table_positions(s, block); t++)
		for (int32_t v = 0; v < BYTES; v++, row += BAND_ROW / 4)
			for (int32_t o = 0; o < n; o++)
				for (int j = 0; j < ROW; j += WIDTH) {
					const part unit = load(limits[o].unit[t / table_section(s)] + j);
					const part scale = choose(unit > 0, 1 / unit, all(0));
					const part least = load(low + ((size_t)o * (size_t)s->window + (size_t)t) * ROW + j) * scale + shift;
					const part entry = load(octets + (size_t)o * octet + ((size_t)t * (size_t)s->symbols + (size_t)v) * ROW + j) * scale + shift;
					words *word = (words *)(row + o / 2 * LANES + j % LANES);
					*word |= (words)((ints)entry - (ints)least) << (16 * (o % 2) + LINEAR_BITS * (j / LANES));
				}
}

TARGET static void columns(const struct table_shape *s, const struct table_store *store, const struct table_columns *c, int32_t from,
                           int32_t to) {
	for (int32_t w = from; w < to; w++) {
		const uint8_t *key = store->keys + (size_t)c->slots[w] * store->key_stride;
		uint16_t bounds[3];
		memcpy(bounds, key + s->window, sizeof bounds);
		const int bytes = bounds[0] == 0 && bounds[1] == s->window;
		for (int h = 0; h < SECTIONS; h++) {
			const int32_t end = (h + 1) * table_section(s);
			int32_t nonzero = 0;
			for (int32_t t = h * table_section(s); t < (end < s->window ? end : s->window); t++)
				nonzero += key[t] != 0;
			c->nonzero[w * SECTIONS + h] = bytes ? (float)nonzero : -1;
		}
		for (int32_t b = 0; b < table_blocks(s); b++) {
			uint8_t symbols[POSITIONS] = {0};
			memcpy(symbols, key + b * POSITIONS, (size_t)table_positions(s, b));
			uint16_t *column = c->keys + ((size_t)b * (size_t)c->windows + (size_t)w) * POSITIONS;
			for (int t = 0; t < POSITIONS; t++)
				column[t] = (uint16_t)(symbols[t] * BAND_ROW);
		}
	}
}

// KEEP(x) has the compiler add in the order written: in another one there are more
// sums under way than registers.
#ifndef KEEP
#define KEEP(x)
#endif

enum { BAND_FULL = BAND_ROW / VECTOR };

// add_coarse adds the rows of a window in a block to its sums of 16 bits, modulo
// 2^16: first the entries, which are linear + 2^LINEAR_BITS·gate, then the gates.
HELPER void add_coarse(const uint16_t *key, const uint8_t *block, halves sums[2 * BAND_FULL]) {
	for (int t = 0; t < POSITIONS; t++) {
		const halves *row = (const halves *)(block + (size_t)t * BYTES * BAND_ROW + key[t]);
		for (int v = 0; v < BAND_FULL; v++) {
			const halves x = row[v];
			sums[v] += x;
			sums[BAND_FULL + v] += x >> LINEAR_BITS;
			KEEP(sums[v]);
			KEEP(sums[BAND_FULL + v]);
		}
	}
}

// bound_octet sets the activations of a window to an upper bound in the upper 16
// bits of each value, as a bfloat16, and to a guess in the lower ones. sums are, of
// each half, those of the linear channels and of the gates, and n the symbols that
// are not 0. spread is how far the guess is below the middle, as a share of what the
// bound is above it.
HELPER void bound_octet(const struct table_shape *s, const struct table_limits *limits, words sums[SECTIONS][2][PARTS], const float n[SECTIONS],
                        float spread, float *out) {
	for (int v = 0; v < PARTS; v++) {
		const int i = v * WIDTH, j = LANES + i;
		part linear = load(limits->base + i), gate = load(limits->base + j);
		part top = load(limits->delta + i), off = load(limits->delta + j);
		for (int h = 0; h < SECTIONS; h++) {
			linear += __builtin_convertvector((ints)sums[h][0][v], part) * load(limits->unit[h] + i);
			gate += __builtin_convertvector((ints)sums[h][1][v], part) * load(limits->unit[h] + j);
			top += load(limits->error[h] + i) * n[h];
			off += load(limits->error[h] + j) * n[h];
		}
		top += linear;
		if (s->conv_relu)
			top = relu(top), linear = relu(linear);
		// The gate that makes the product the largest: the most open one, or the least if it is below zero.
		const ints positive = top > 0;
		off = choose(positive, off, -off);

		// 1/(1+2^y), with 2^y off by less than 2^-13 of it; see sigmoid.
		const part shift = all(12582912);
		part y = -(gate + off);
		y = choose(y < -80, all(-80), y);
		y = choose(y > 80, all(80), y) * 1.44269504f;
		const part shifted = y + shift, r = y - (shifted - shift);
		part e = 1 + r * (0.69314718f + r * (0.24022651f + r * (0.05550411f + r * 0.009618129f)));
		e *= (part)(((ints)shifted - (ints)shift + 127) << 23);
		const part open = 1 / (1 + e);

		part bound = top * open;
		const part size = (part)((ints)bound & 0x7FFFFFFF);
		bound += size * 0x1p-11f + (part)((ints)all(0x1p-126f) & positive);
		// The middle, by the Taylor polynomial of degree 2 of the sigmoid.
		part middle = linear * relu(open - off * (open - open * open) * (1 - off * (0.5f - open)));
		if (s->merge_relu)
			bound = relu(bound), middle = relu(middle);
		const part guess = middle - spread * (bound - middle);

		const ints up = (ints)bound + (0xFFFF & ~((ints)bound >> 31)); // what is below zero is rounded up by cutting
		*(words *)(out + i) = ((words)up & 0xFFFF0000u) | (words)guess >> 16;
	}
}

TARGET static void bound(const struct table_shape *s, const struct table_store *into, const struct table_columns *c, int32_t band,
                         int32_t from, int32_t to, const uint8_t *table, const struct table_limits *limits, uint32_t *sums) {
	enum { WORDS = BAND_ROW / 4 }; // of a row
	const size_t block = (size_t)POSITIONS * BYTES * BAND_ROW, section = (size_t)(to - from) * 2 * WORDS;
	memset(sums, 0, SECTIONS * section * sizeof *sums);
	fetch(table, block);
	struct stream next = {.share = (block / (size_t)(to - from) + LINE - 1) / LINE * LINE};
	for (int32_t b = 0; b < table_blocks(s); b++, table += block) {
		const int more = b + 1 < table_blocks(s);
		next.next = (const char *)table + (more ? block : 0);
		next.left = more ? block : 0;
		const uint16_t *key = c->keys + ((size_t)b * (size_t)c->windows + (size_t)from) * POSITIONS;
		halves *sum = (halves *)(sums + (size_t)(b * POSITIONS / table_section(s)) * section);
		for (int32_t w = from; w < to; w++, key += POSITIONS, sum += 2 * BAND_FULL) {
			advance(&next);
			halves a[2 * BAND_FULL];
			for (int v = 0; v < 2 * BAND_FULL; v++)
				a[v] = sum[v];
			add_coarse(key, table, a);
			for (int v = 0; v < 2 * BAND_FULL; v++)
				sum[v] = a[v];
		}
	}

	for (int32_t w = from; w < to; w++) {
		const float *n = c->nonzero + (size_t)w * SECTIONS;
		// The error of a sum of n rounded entries is sqrt(n/12) of a unit on average, and
		// its bound n/2; so the guess is below the value but for one in a hundred.
		float all = 0;
		for (int h = 0; h < SECTIONS; h++)
			all += n[h];
		const float spread = all > 4 ? 1.4f / __builtin_sqrtf(all) : 1;
		for (int o = 0; o < OCTETS && band * OCTETS + o < s->octets; o++) {
			const size_t at = (size_t)(band * OCTETS + o) * into->capacity + (size_t)c->slots[w];
			float *out = into->activations + at * LANES;
			into->states[at] = BOUNDED;
			if (n[0] < 0) {
				for (int v = 0; v < PARTS; v++)
					((words *)out)[v] = 0x7F80FF80u - (words){0}; // no bound: infinity, and a guess below all
				continue;
			}
			words total[SECTIONS][2][PARTS];
			for (int h = 0; h < SECTIONS; h++)
				for (int v = 0; v < PARTS; v++) {
					const uint32_t *both = sums + h * section + (size_t)(w - from) * 2 * WORDS + o / 2 * LANES + v * WIDTH;
					const int right = 16 * (o % 2);
					total[h][1][v] = *(const words *)(both + WORDS) >> right & 0xFFFF;
					total[h][0][v] = ((*(const words *)both >> right) - (total[h][1][v] << LINEAR_BITS)) & 0xFFFF;
				}
			bound_octet(s, limits + o, total, n, spread, out);
		}
	}
}

HELPER part upper(part x) { return (part)((words)x & 0xFFFF0000u); }

HELPER part guess(part x) { return (part)((words)x << 16); }

// any returns whether a lane of a mask is set.
HELPER int any(ints mask) {
#ifdef MOVEMASK
	return MOVEMASK(mask);
#else
	int32_t set = 0;
	for (int i = 0; i < WIDTH; i++)
		set |= mask[i];
	return set;
#endif
}

TARGET static int64_t select_slots(const struct table_shape *s, const struct table_store *store, const struct table_search *q,
                                   int32_t octet, int64_t from, int64_t to, int32_t *list) {
	const float *activations = store->activations + (size_t)octet * store->capacity * LANES;
	uint8_t *states = store->states + (size_t)octet * store->capacity;
	int64_t n = 0;
	for (int64_t r = from; r < to; r++) {
		const int64_t first = r > 0 ? q->spans[r - 1].end : 0;
		float *threshold = q->thresholds + ((size_t)octet * (size_t)q->n + (size_t)r) * LANES;
		const float *best = q->maxima + ((size_t)q->spans[r].file * (size_t)s->octets + (size_t)octet) * LANES;
		part t[PARTS];
		for (int v = 0; v < PARTS; v++)
			t[v] = load(best + v * WIDTH);
		for (int64_t i = first; i < q->spans[r].end; i++) {
			const int32_t slot = q->slots[i];
			const ints exact = (ints){0} - (states[slot] == EXACT);
			for (int v = 0; v < PARTS; v++) {
				const part x = load(activations + (size_t)slot * LANES + v * WIDTH);
				t[v] = larger(choose(exact, x, guess(x)), t[v]);
			}
		}
		for (int v = 0; v < PARTS; v++)
			save(threshold + v * WIDTH, t[v]);
		for (int64_t i = first; i < q->spans[r].end; i++) {
			const int32_t slot = q->slots[i];
			ints above = {0};
			for (int v = 0; v < PARTS; v++)
				above |= upper(load(activations + (size_t)slot * LANES + v * WIDTH)) > t[v];
			if (any(above) && states[slot] == BOUNDED) {
				states[slot] = QUEUED;
				list[n++] = slot;
			}
		}
	}
	return n;
}

TARGET static int64_t prove(const struct table_shape *s, const struct table_store *store, const struct table_search *q, int32_t octet,
                            int32_t *todo, int64_t *spans, int32_t *list) {
	const float *activations = store->activations + (size_t)octet * store->capacity * LANES;
	uint8_t *states = store->states + (size_t)octet * store->capacity;
	int64_t n = 0, open = 0;
	for (int64_t k = 0; k < *spans; k++) {
		const int32_t r = todo[k];
		const int64_t first = r > 0 ? q->spans[r - 1].end : 0, end = q->spans[r].end;
		float *maximum = q->maxima + ((size_t)q->spans[r].file * (size_t)s->octets + (size_t)octet) * LANES;
		float *threshold = q->thresholds + ((size_t)octet * (size_t)q->n + (size_t)r) * LANES;
		part best[PARTS];
		for (int v = 0; v < PARTS; v++)
			best[v] = load(maximum + v * WIDTH);
		for (int64_t i = first; i < end; i++) {
			const int32_t slot = q->slots[i];
			if (states[slot] == EXACT)
				for (int v = 0; v < PARTS; v++)
					best[v] = larger(load(activations + (size_t)slot * LANES + v * WIDTH), best[v]);
		}
		ints below[PARTS], some = {0};
		for (int v = 0; v < PARTS; v++) {
			const part t = load(threshold + v * WIDTH);
			below[v] = best[v] < t;
			some |= below[v];
			save(maximum + v * WIDTH, best[v]);
			save(threshold + v * WIDTH, choose(below[v], best[v], t));
		}
		if (!any(some))
			continue;
		todo[open++] = r;
		for (int64_t i = first; i < end; i++) {
			const int32_t slot = q->slots[i];
			ints above = {0};
			for (int v = 0; v < PARTS; v++)
				above |= below[v] & (upper(load(activations + (size_t)slot * LANES + v * WIDTH)) > best[v]);
			if (any(above) && states[slot] == BOUNDED) {
				states[slot] = QUEUED;
				list[n++] = slot;
			}
		}
	}
	*spans = open;
	return n;
}
