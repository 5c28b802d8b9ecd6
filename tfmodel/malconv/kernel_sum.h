// The sum for one kind of table, which the includer defines: SUM, the function's
// name; ENTRY, what the table holds, ROW_ENTRIES a row; ACC, a vector of sums;
// ADD(sums, row), which adds a row; TOTAL(out, sums, scale), the sums as floats.

TARGET static void SUM(const struct table_shape *s, const struct table_pass *p, int32_t group, int32_t from, int32_t to,
                       const void *table, const float *scale, const float *bias, void *sums) {
	memset(sums, 0, (size_t)(to - from) * ROW * 4);
	const size_t position = (size_t)s->symbols * ROW_ENTRIES; // entries of one
	const int whole = to - from > s->symbols / 4; // fewer windows do not need all of a block
	if (whole)
		fetch(table, (size_t)table_positions(s, 0) * position * sizeof(ENTRY));
	// Each window fetches its share of the next block.
	const size_t share = (POSITIONS * position * sizeof(ENTRY) / (size_t)(to - from) + LINE - 1) / LINE * LINE;
	for (int32_t b = 0; b < table_blocks(s); b++) {
		const ENTRY *block = (const ENTRY *)table + (size_t)b * POSITIONS * position;
		const int more = whole && b + 1 < table_blocks(s);
		const char *next = (const char *)(block + (more ? POSITIONS * position : 0));
		size_t left = more ? (size_t)table_positions(s, b + 1) * position * sizeof(ENTRY) : 0;
		for (int32_t w = from; w < to; w++) {
			const size_t now = share < left ? share : left;
			for (size_t i = 0; i < now; i += LINE)
				__builtin_prefetch(next + i, 0, 2);
			next += now;
			left -= now;
			const size_t at = (size_t)b * p->windows + w;
			const uint16_t *entry = p->entries + at * LIST, *end = entry + p->counts[at];
			ACC *sum = (ACC *)sums + (size_t)(w - from) * FULL;
			ACC a[FULL];
			for (int v = 0; v < FULL; v++)
				a[v] = sum[v];
			for (; entry < end; entry += UNROLL)
				for (int i = 0; i < UNROLL; i++)
					ADD(a, block + (size_t)entry[i] * ROW_ENTRIES);
			for (int v = 0; v < FULL; v++)
				sum[v] = a[v];
		}
	}

	for (int32_t w = from; w < to; w++) {
		const ACC *sum = (const ACC *)sums + (size_t)(w - from) * FULL;
		float *out = p->activations + (size_t)p->slots[w] * s->filters + (size_t)group * LANES;
		vec total[FULL];
		TOTAL(total, sum, scale);
		for (int v = 0; v < HALF; v++) {
			const int i = v * WIDTH, j = LANES + v * WIDTH;
			vec linear = total[v] + load(bias + i);
			const vec gate = total[HALF + v] + load(bias + j);
			if (s->conv_relu)
				linear = relu(linear);
			vec merged = linear * sigmoid(gate);
			if (s->merge_relu)
				merged = relu(merged);
			store(out + i, merged + 0); // +0 makes -0 a +0, so that a maximum has one sign of zero
		}
	}
}

#undef SUM
#undef ENTRY
#undef ROW_ENTRIES
#undef ACC
#undef ADD
#undef TOTAL
