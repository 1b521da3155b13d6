#include "tests/unit/unit.h"

#include "cli/base/xml.h"

#include <stdlib.h>
#include <string.h>

static char *xml_of(const char *text)
{
	char *ret = NULL;
	size_t len;
	FILE *out = open_memstream(&ret, &len);

	xml_put(out, text);
	fclose(out);
	return ret;
}

static void expect(const char *text, const char *xml)
{
	char *got = xml_of(text);

	assert_string_equal(got, xml);
	free(got);
}

static void markup_is_escaped(void **state)
{
	(void)state;
	expect("std::map<a&&, \"b\">::operator->'", "std::map&lt;a&amp;&amp;, "
						    "&quot;b&quot;&gt;::operator-&gt;"
						    "&apos;");
	expect("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\t\n",
	       "\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80\t\n");
	expect("", "");
}

static void what_is_no_character_of_xml_is_replaced(void **state)
{
	(void)state;
	expect("a\x1b[31m", "a\xef\xbf\xbd[31m");
	expect("\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd");
	expect("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); /* surrogate */
	expect("\xef\xbf\xbe", "\xef\xbf\xbd");				/* U+FFFE */
}

static void an_element_is_closed(void **state)
{
	char *ret = NULL;
	size_t len;
	FILE *out = open_memstream(&ret, &len);

	(void)state;
	xml_put_element(out, "fn", "a<b");
	fclose(out);
	assert_string_equal(ret, "<fn>a&lt;b</fn>");
	free(ret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(markup_is_escaped),
		cmocka_unit_test(what_is_no_character_of_xml_is_replaced),
		cmocka_unit_test(an_element_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
