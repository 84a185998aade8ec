/*
 * base64.c - the octets of base64 themselves (RFC 4648 4): three at a time, and
 * full lines as fast as the machine can. Lines and padding are the encoder's
 * (encode.c).
 */
#include <endian.h>
#include <string.h>

#if defined(__x86_64__) || defined(__i386__)
#include <tmmintrin.h>
#define HAVE_SSSE3	1
#else
#define HAVE_SSSE3	0
#endif

#include "octets.h"

/* The alphabet by pairs: twelve bits are looked up at once. */
#define PAIR(a, b)	{ a, b },
#define EACH(F, a) \
	F(a, 'A') F(a, 'B') F(a, 'C') F(a, 'D') F(a, 'E') F(a, 'F') \
	F(a, 'G') F(a, 'H') F(a, 'I') F(a, 'J') F(a, 'K') F(a, 'L') \
	F(a, 'M') F(a, 'N') F(a, 'O') F(a, 'P') F(a, 'Q') F(a, 'R') \
	F(a, 'S') F(a, 'T') F(a, 'U') F(a, 'V') F(a, 'W') F(a, 'X') \
	F(a, 'Y') F(a, 'Z') F(a, 'a') F(a, 'b') F(a, 'c') F(a, 'd') \
	F(a, 'e') F(a, 'f') F(a, 'g') F(a, 'h') F(a, 'i') F(a, 'j') \
	F(a, 'k') F(a, 'l') F(a, 'm') F(a, 'n') F(a, 'o') F(a, 'p') \
	F(a, 'q') F(a, 'r') F(a, 's') F(a, 't') F(a, 'u') F(a, 'v') \
	F(a, 'w') F(a, 'x') F(a, 'y') F(a, 'z') F(a, '0') F(a, '1') \
	F(a, '2') F(a, '3') F(a, '4') F(a, '5') F(a, '6') F(a, '7') \
	F(a, '8') F(a, '9') F(a, '+') F(a, '/')
#define ROW(a)		EACH(PAIR, a)

static const unsigned char pairs[4096][2] = {
	ROW('A') ROW('B') ROW('C') ROW('D') ROW('E') ROW('F') ROW('G')
	ROW('H') ROW('I') ROW('J') ROW('K') ROW('L') ROW('M') ROW('N')
	ROW('O') ROW('P') ROW('Q') ROW('R') ROW('S') ROW('T') ROW('U')
	ROW('V') ROW('W') ROW('X') ROW('Y') ROW('Z') ROW('a') ROW('b')
	ROW('c') ROW('d') ROW('e') ROW('f') ROW('g') ROW('h') ROW('i')
	ROW('j') ROW('k') ROW('l') ROW('m') ROW('n') ROW('o') ROW('p')
	ROW('q') ROW('r') ROW('s') ROW('t') ROW('u') ROW('v') ROW('w')
	ROW('x') ROW('y') ROW('z') ROW('0') ROW('1') ROW('2') ROW('3')
	ROW('4') ROW('5') ROW('6') ROW('7') ROW('8') ROW('9') ROW('+')
	ROW('/')
};

void
base64_triple(unsigned char *out, const unsigned char *p)
{
	uint32_t bits = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];

	memcpy(out, pairs[bits >> 12], 2);
	memcpy(out + 2, pairs[bits & 4095], 2);
}

/* Six at a time, of eight that are read, and three. */
void
base64_line_plain(unsigned char *out, const unsigned char *p)
{
	const unsigned char *last = p + BASE64_OCTETS - 3;
	uint64_t bits;

	for (; p < last; p += 6, out += 8) {
		memcpy(&bits, p, sizeof(bits));
		bits = be64toh(bits) >> 16;
		memcpy(out, pairs[bits >> 36], 2);
		memcpy(out + 2, pairs[bits >> 24 & 4095], 2);
		memcpy(out + 4, pairs[bits >> 12 & 4095], 2);
		memcpy(out + 6, pairs[bits & 4095], 2);
	}
	base64_triple(out, p);
}

#if HAVE_SSSE3
/*
 * Each three octets a b c lie in four as b a c b: two numbers of 16 bits, a b
 * and b c. Six bits each, in the order of the characters: the upper six of
 * a b and the middle six of b c go down into the lower octet of their number,
 * the middle six of a b and the lower six of b c up into the upper one. To
 * shift each number by a distance of its own, they are multiplied.
 */
__attribute__((target("ssse3")))
static inline __m128i
split(__m128i octets)
{
	__m128i down, up;

	down = _mm_and_si128(octets, _mm_set1_epi32(0x0fc0fc00));
	down = _mm_mulhi_epu16(down, _mm_set1_epi32(0x04000040));
	up = _mm_and_si128(octets, _mm_set1_epi32(0x003f03f0));
	up = _mm_mullo_epi16(up, _mm_set1_epi32(0x01000010));
	return _mm_or_si128(down, up);
}

/*
 * From a value to its character it is as far as to any other of its range:
 * 13 is that of the capitals, 0 that of the small letters, 1 to 10 are the
 * digits, 11 and 12 '+' and '/'.
 */
__attribute__((target("ssse3")))
static inline __m128i
characters(__m128i values)
{
	const __m128i distances = _mm_setr_epi8('a' - 26, '0' - 52, '0' - 52,
	    '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
	    '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0);
	__m128i range, capital;

	range = _mm_subs_epu8(values, _mm_set1_epi8(51));
	capital = _mm_cmpgt_epi8(_mm_set1_epi8(26), values);
	range = _mm_or_si128(range, _mm_and_si128(capital, _mm_set1_epi8(13)));
	return _mm_add_epi8(values, _mm_shuffle_epi8(distances, range));
}

/* Sixteen octets are read, and twelve of them used. */
__attribute__((target("ssse3")))
static inline void
put_twelve(unsigned char *out, const unsigned char *p, __m128i order)
{
	__m128i octets, text;

	memcpy(&octets, p, sizeof(octets));
	text = characters(split(_mm_shuffle_epi8(octets, order)));
	memcpy(out, &text, sizeof(text));
}

/* The last twelve overlap with those before: 57 is no multiple of twelve. */
__attribute__((target("ssse3")))
static void
line_ssse3(unsigned char *out, const unsigned char *p)
{
	const __m128i first = _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7,
	    10, 9, 11, 10);
	const __m128i last = _mm_add_epi8(first, _mm_set1_epi8(4));

	put_twelve(out, p, first);
	put_twelve(out + 16, p + 12, first);
	put_twelve(out + 32, p + 24, first);
	put_twelve(out + 48, p + 36, first);
	put_twelve(out + BASE64_LINE - 16, p + BASE64_OCTETS - 16, last);
}
#endif

void
base64_line(unsigned char *out, const unsigned char *p)
{
#if HAVE_SSSE3
	if (__builtin_cpu_supports("ssse3")) {
		line_ssse3(out, p);
		return;
	}
#endif
	base64_line_plain(out, p);
}
