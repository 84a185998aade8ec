/*
 * idle_milter.c - the part of libmilter that only a start calls, and that says
 * yes to everything. A test of a start brings smfi_opensocket and smfi_main
 * itself.
 */
#include <sys/types.h>

#include <libmilter/mfapi.h>

int
smfi_setconn(char *name)
{
	(void)name;
	return MI_SUCCESS;
}

int
smfi_register(smfiDesc_str description)
{
	(void)description;
	return MI_SUCCESS;
}

int
smfi_settimeout(int seconds)
{
	(void)seconds;
	return MI_SUCCESS;
}

size_t
smfi_setmaxdatasize(size_t size)
{
	return size;
}

int
smfi_stop(void)
{
	return MI_SUCCESS;
}
