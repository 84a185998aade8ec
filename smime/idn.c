/*
 * idn.c - domains in their ASCII form, for certificates hold no other (RFC 5280
 * 7.2, RFC 8550 3).
 *
 * A label that is not ASCII becomes an A-label by Punycode (RFC 3492). It is
 * taken as it stands: a U-label is in lower case and normalised already (RFC
 * 5890 2.3.2.1), and one that is not gives an A-label that nobody has, so that
 * what does not match stays what fails.
 */
#include <string.h>

#include "parse.h"
#include "smime_base.h"
#include "smime_header.h"

#define LABEL_MAX	63
#define BASE		36
#define T_MIN		1
#define T_MAX		26
#define SKEW		38
#define DAMP		700
#define FIRST_BIAS	72
#define FIRST_CODE	0x80

struct label {
	char	text[LABEL_MAX + 1];
	size_t	len;
};

static bool
put(struct label *label, int c)
{
	if (label->len == LABEL_MAX)
		return false;
	label->text[label->len++] = (char)c;
	return true;
}

static bool
put_digit(struct label *label, uint32_t digit)
{
	return put(label, digit < 26 ? 'a' + (int)digit :
	    '0' + (int)digit - 26);
}

/* RFC 3492 6.1 */
static uint32_t
adapt(uint32_t delta, uint32_t points, bool first)
{
	uint32_t k = 0;

	delta /= first ? DAMP : 2;
	delta += delta / points;
	for (; delta > (BASE - T_MIN) * T_MAX / 2; k += BASE)
		delta /= BASE - T_MIN;
	return k + (BASE - T_MIN + 1) * delta / (delta + SKEW);
}

/* RFC 3492 6.3: delta as an integer of variable length. */
static bool
put_delta(struct label *label, uint32_t delta, uint32_t bias)
{
	uint32_t k, t, q = delta;

	for (k = BASE;; k += BASE) {
		t = k <= bias ? T_MIN : k >= bias + T_MAX ? T_MAX : k - bias;
		if (q < t)
			return put_digit(label, q);
		if (!put_digit(label, t + (q - t) % (BASE - t)))
			return false;
		q = (q - t) / (BASE - t);
	}
}

/* The least of the code points that is at least n. */
static uint32_t
next_point(const uint32_t *points, size_t count, uint32_t n)
{
	uint32_t least = UINT32_MAX;
	size_t i;

	for (i = 0; i < count; i++)
		if (points[i] >= n && points[i] < least)
			least = points[i];
	return least;
}

/*
 * RFC 3492 6.3. At most LABEL_MAX code points below 0x110000, so that no delta
 * overflows.
 */
static bool
encode(const uint32_t *points, size_t count, struct label *label)
{
	uint32_t n = FIRST_CODE, delta = 0, bias = FIRST_BIAS, next;
	size_t i, basic, done = 0;

	for (i = 0; i < count; i++)
		if (points[i] < FIRST_CODE) {
			if (!put(label, (int)points[i]))
				return false;
			done++;
		}
	basic = done;
	if (basic > 0 && !put(label, '-'))
		return false;
	for (; done < count; delta++, n++) {
		next = next_point(points, count, n);
		delta += (next - n) * (uint32_t)(done + 1);
		n = next;
		for (i = 0; i < count; i++) {
			if (points[i] < n)
				delta++;
			if (points[i] != n)
				continue;
			if (!put_delta(label, delta, bias))
				return false;
			done++;
			bias = adapt(delta, (uint32_t)done,
			    done == basic + 1);
			delta = 0;
		}
	}
	return true;
}

/* One label of the domain, behind what out holds already. */
static bool
to_a_label(const unsigned char *p, size_t len, struct label *out)
{
	const unsigned char *end = p + len;
	uint32_t points[LABEL_MAX];
	size_t count = 0;
	bool ascii = true;

	while (p < end) {
		if (count == LABEL_MAX || !utf8_take(&p, end, &points[count]))
			return false;
		if (points[count] >= FIRST_CODE)
			ascii = false;
		count++;
	}
	out->len = ascii ? 0 : 4;
	memcpy(out->text, "xn--", 4);
	if (ascii) {
		memcpy(out->text, end - len, len);
		out->len = len;
		return true;
	}
	return encode(points, count, out);
}

void
address_to_ascii(char *address)
{
	char *domain = strrchr(address, '@'), *p, *dot;
	char out[ADDRESS_MAX + 1];
	struct label label;
	size_t n = 0;

	if (domain == NULL)
		return;
	for (p = domain + 1;; p = dot + 1) {
		if ((dot = strchr(p, '.')) == NULL)
			dot = p + strlen(p);
		if (!to_a_label((unsigned char *)p, (size_t)(dot - p),
		    &label) || (size_t)(domain - address) + n + label.len + 2 >
		    ADDRESS_MAX)
			return;
		memcpy(out + n, label.text, label.len);
		n += label.len;
		if (*dot == '\0')
			break;
		out[n++] = '.';
	}
	memcpy(domain + 1, out, n);
	domain[1 + n] = '\0';
}
