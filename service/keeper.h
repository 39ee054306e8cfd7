/* Keeper: what this node knows of itself and its sources, kept in the snapshot file.
 *
 * Makes the secrets at first start, adds sources that enrol (a worker tells, through a mailbox),
 * lays those of the configuration and of the database over them, publishes each new source set and
 * writes it to disk. Changes are collected, so that a storm of enrolments costs few writes.
 * Thread: main's loop; keeper_enrolled(), keeper_log_seen() and keeper_gone() from any.
 */
#ifndef SERVICE_KEEPER_H
#define SERVICE_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "base/uuid.h"

struct config;
struct err;
struct keeper;
struct loop;
struct query_pool;
struct seal_key;
struct slot;
struct source;

/* Load the snapshot of config->state_dir, or make a first one (and the files enrolment-token and,
 * with a database of its own, admin-password, mode 0600). */
int keeper_open(const struct config *config, struct loop *loop, struct keeper **out,
		struct err *err);
void keeper_close(struct keeper *keeper); /* writes what changed; NULL is allowed */
struct slot *keeper_sources(struct keeper *keeper); /* of struct source_set */
/* What secrets in the database are sealed with: secrets.key_file, or with a private database a key made
 * in state_dir. NULL: there is none, for replicas could not read what is sealed with it. */
const struct seal_key *keeper_seal_key(const struct keeper *keeper);
/* `fn` is called after each new source set; NULL: nobody is. */
void keeper_on_publish(struct keeper *keeper, void (*fn)(void *ctx), void *ctx);
/* Of the administrator this node made, for the first account; empty when it made none. */
struct str keeper_admin_hash(const struct keeper *keeper);
/* The same, made now (with its file admin-password) when there is none: account_hash_fn. Any thread. */
int keeper_admin_hash_or_new(void *keeper, char **hash_out, struct err *err);
/* The administrator's hash in the database: where the file admin-password is of another password, as
 * after a restore on a new machine, it is put aside as admin-password.old, so that nothing logs in with
 * it in vain until the account is locked. Any thread. */
void keeper_check_password(void *keeper, struct str hash);
struct str keeper_enrolment_token(const struct keeper *keeper);
struct uuid keeper_node(const struct keeper *keeper);
/* The id of a source that the configuration declares under this name. */
struct uuid keeper_configured_id(const char *name);
/* What the node remembers of the log. */
void keeper_log(const struct keeper *keeper, struct uuid *epoch, int64_t *oldest_seq,
		int64_t *last_seq);
/* Up to which seq the journal cannot write the log again, as an earlier process left it. */
int64_t keeper_gone_seq(const struct keeper *keeper);
/* Called before the snapshot is written, now and then, to say keeper_log_seen(); NULL: no more. */
void keeper_on_save(struct keeper *keeper, void (*fn)(void *ctx), void *ctx);
/* SIGHUP: the configured sources as they are now. */
void keeper_reconfigure(struct keeper *keeper, const struct config *config);

void keeper_enrolled(void *keeper, const struct source *source); /* the receiver's enrolled_fn */
void keeper_log_seen(struct keeper *keeper, struct uuid epoch, int64_t oldest_seq,
		     int64_t last_seq);
void keeper_gone(struct keeper *keeper, int64_t seq);

/* --- what replicas share; see service/shared_watch.h --- */
const char *keeper_key_fingerprint(const struct keeper *keeper); /* NULL: no secrets.key_file */
/* Whether a person chose the enrolment token: then it holds for the other replicas too. */
bool keeper_token_is_said(const struct keeper *keeper);
/* Whether the database holds no source that is not known here. Until then a delivery with an
 * unknown token is taken unverified. */
void keeper_set_current(struct keeper *keeper, bool current);
void keeper_learn_sources(struct keeper *keeper, const struct source *sources, size_t n);
void keeper_learn_token(struct keeper *keeper, struct str token);

#endif
