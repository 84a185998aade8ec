/*
 * store.h - a keystore for unit tests, below pki.h's directory.
 */
#ifndef SAMPUL_TEST_STORE_H
#define SAMPUL_TEST_STORE_H

#include "../../milter/conf.h"
#include "pki.h"

/* pki_setup, then anchors/, intermediates/ and an empty keystore/. */
int	 store_setup(void **state);
/* The keystore's directory emptied. */
void	 store_empty(void);
/* A configuration for it; unencrypted keys are allowed. */
struct conf *store_conf(void);
/* Copies mailbox NAME of the PKI to ADDRESS/FOLDER. */
void	 store_put(const char *address, const char *folder, const char *name);
/* NAME/cert.pem to partners/ADDRESS, of encryption.partners_dir. */
void	 store_partner(const char *address, const char *name);
/* store_put's files, one: "cert.pem" or "key.pem", by rename or in place. */
void	 store_replace(const char *address, const char *folder,
	    const char *name, const char *file, bool in_place);
/* An empty file, or a removed one. */
void	 store_touch(const char *address, const char *folder,
	    const char *file);
void	 store_remove(const char *address, const char *folder,
	    const char *file);
/* Path of something in the keystore; file may be NULL. */
const char *store_path(const char *address, const char *folder,
	    const char *file);

#endif
