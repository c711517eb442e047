// Preloaded into programs that trust the authorities of the system and let nobody name others: they trust those in the
// file $TEST_CA_FILE instead. They verify certificates as ever.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>

// library returns the shared object that holds a function. Plugins keep the symbols of their libraries to themselves, so
// others have to be looked up there.
static void *library(const void *function) {
	Dl_info info;
	return dladdr(function, &info) ? dlopen(info.dli_fname, RTLD_LAZY | RTLD_NOLOAD) : NULL;
}

// OBS has its own librtmp, which calls Mbed TLS.
int mbedtls_x509_crt_parse_path(void *chain, const char *path) {
	int (*parse)(void *, const char *) = dlsym(library(__builtin_return_address(0)), "mbedtls_x509_crt_parse_file");
	return parse(chain, getenv("TEST_CA_FILE"));
}

// The TLS of GIO, which GStreamer uses, is GnuTLS.
int gnutls_x509_trust_list_add_system_trust(void *list, unsigned flags, unsigned verify) {
	int (*add)(void *, const char *, const char *, unsigned, unsigned, unsigned) =
		dlsym(library(__builtin_return_address(0)), "gnutls_x509_trust_list_add_trust_file");
	const unsigned pem = 1; // GNUTLS_X509_FMT_PEM
	return add(list, getenv("TEST_CA_FILE"), NULL, pem, flags, verify);
}
