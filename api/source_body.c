#include "api/source_body.h"

#include <stdlib.h>
#include <string.h>

#include "api/properties.h"
#include "base/arena.h"
#include "base/mem.h"
#include "base/secrets.h"
#include "subscribe/source_url.h"

#define NAME_MAX_BYTES 128
#define TEXT_MAX_BYTES 256 /* of site, rack, owner, address, certificate */
#define OEM	       "Oem/Rfeventd/"

/* Members of Oem.Rfeventd under names of their own, "Oem/Rfeventd/Site": the errors point at those. */
json_t *source_body_flatten(json_t *body)
{
	json_t *flat = json_object(), *oem = json_object_get(body, "Oem"), *value;
	json_t *ours = json_is_object(oem) ? json_object_get(oem, "Rfeventd") : NULL;
	const char *name;

	json_object_foreach(body, name, value)
	{
		if (strcmp(name, "Oem") != 0 || !json_is_object(oem))
			json_object_set(flat, name, value);
	}
	json_object_foreach(oem, name, value)
	{
		char *path = xasprintf("Oem/%s", name);

		if (value != ours || !json_is_object(ours))
			json_object_set(flat, path, value);
		free(path);
	}
	json_object_foreach(ours, name, value)
	{
		char *path = xasprintf(OEM "%s", name);

		json_object_set(flat, path, value);
		free(path);
	}
	return flat;
}

static bool is_plain(struct str text, size_t max_bytes)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.p[i] < ' ' || text.p[i] == 0x7f)
			return false;
	return text.len > 0 && text.len <= max_bytes;
}

/* A text, or null for none; *out as it is when the body does not say. False: it does not, or says
 * nothing good. */
static bool take_text(struct properties *properties, const char *name, size_t max_bytes,
		      struct str *out)
{
	struct str text = { NULL, 0 };

	if (!json_object_get(properties->body, name))
		return false;
	if (!json_is_null(json_object_get(properties->body, name))) {
		text = properties_text(properties, name);
		if (!text.p)
			return false;
		if (!is_plain(text, max_bytes)) {
			properties_refuse(properties, name, "PropertyValueFormatError",
					  "A text is not empty, not longer than it may be, and without "
					  "control characters.");
			return false;
		}
	}
	*out = text;
	return true;
}

static void take_bool(struct properties *properties, const char *name, bool *out)
{
	const json_t *value = json_object_get(properties->body, name);

	if (!value)
		return;
	if (json_is_boolean(value))
		*out = json_is_true(value);
	else
		properties_refuse(properties, name, "PropertyValueTypeError", NULL);
}

static void take_host(struct properties *properties, struct source_body *body)
{
	struct source_details *details = &body->details;
	struct str host;
	struct strbuf url, origin;

	if (!take_text(properties, "HostName", SOURCE_URL_MAX_BYTES, &host))
		return;
	if (!host.p) {
		details->url = host;
		return;
	}
	strbuf_init(&url, 2 * SOURCE_URL_MAX_BYTES);
	strbuf_init(&origin, 2 * SOURCE_URL_MAX_BYTES);
	if (str_find(host, STR("://")) == host.len)
		strbuf_put_text(&url, "https://");
	strbuf_put(&url, host);
	if (source_url_origin(strbuf_str(&url), &origin, NULL) < 0)
		properties_refuse(properties, "HostName", "PropertyValueFormatError",
				  "HostName is a name, an address or a URL as "
				  "https://10.1.2.3:8443; an IPv6 address stands in brackets.");
	else
		details->url = arena_copy(body->texts, strbuf_str(&origin));
	strbuf_fini(&url);
	strbuf_fini(&origin);
}

/* The same fingerprint as tools print it, with colons, would match nothing. */
static void take_certificate(struct properties *properties, struct source *source)
{
	static const char hex[] = "0123456789abcdefABCDEF";
	const size_t n_mark = sizeof(SOURCE_FINGERPRINT) - 1;
	struct str certificate;
	bool good = true;

	if (!take_text(properties, OEM "Certificate", TEXT_MAX_BYTES, &certificate))
		return;
	if (certificate.p && str_starts_with(certificate, STR(SOURCE_FINGERPRINT))) {
		good = certificate.len == n_mark + 2 * SHA256_BYTES;
		for (size_t i = n_mark; i < certificate.len; i++)
			good &= memchr(hex, certificate.p[i], sizeof(hex) - 1) != NULL;
	}
	if (good)
		source->certificate = certificate;
	else
		properties_refuse(properties, OEM "Certificate", "PropertyValueFormatError",
				  "Certificate is 'sha256:' and 64 hex digits, or a name in it.");
}

static void take_password(struct properties *properties, struct source_body *body)
{
	struct source_details *details = &body->details;
	const json_t *value = json_object_get(properties->body, "Password");
	struct str password = { json_string_value(value), json_string_length(value) };
	struct strbuf sealed;

	if (!value)
		return;
	if (json_is_null(value)) {
		details->password = (struct str){ NULL, 0 };
	} else if (!password.p || !is_plain(password, SOURCE_SECRET_MAX_BYTES)) {
		properties_refuse_secret(properties, "Password", "PropertyValueError");
	} else if (!body->seal_key) {
		properties_refuse(properties, "Password", "PropertyValueError",
				  "Passwords are kept encrypted, and there is no key that all replicas of "
				  "the database share: give one in secrets.key_file.");
	} else {
		strbuf_init(&sealed, 4 * SOURCE_SECRET_MAX_BYTES);
		source_password_seal(body->seal_key, body->source.id, password, &sealed);
		details->password = arena_copy(body->texts, strbuf_str(&sealed));
		strbuf_fini(&sealed);
	}
}

static void drop_tag(struct source_details *details, struct str name)
{
	for (size_t i = 0; i < details->n_tags; i++) {
		if (!str_eq(details->tags[i].name, name))
			continue;
		details->n_tags--;
		memmove(&details->tags[i], &details->tags[i + 1],
			(details->n_tags - i) * sizeof(details->tags[0]));
		return;
	}
}

/* As PATCH does with objects: members are laid over those that are there, null takes one away. */
static void take_tags(struct properties *properties, struct source_details *details)
{
	json_t *tags = json_object_get(properties->body, OEM "Tags"), *value;
	struct source_details fresh = *details;
	const char *name;

	if (!tags)
		return;
	if (!json_is_object(tags)) {
		properties_refuse(properties, OEM "Tags", "PropertyValueTypeError", NULL);
		return;
	}
	json_object_foreach(tags, name, value)
	{
		struct str text = { json_string_value(value), json_string_length(value) };

		drop_tag(&fresh, str_of(name));
		if (json_is_null(value))
			continue;
		if (!text.p || !is_plain(text, SOURCE_TAG_VALUE_MAX_BYTES) ||
		    !is_plain(str_of(name), SOURCE_TAG_NAME_MAX_BYTES) ||
		    fresh.n_tags == SOURCE_MAX_TAGS) {
			properties_refuse(properties, OEM "Tags", "PropertyValueError",
					  "A source has at most 16 tags, with names of at most 64 bytes "
					  "and texts of at most 256.");
			return;
		}
		fresh.tags[fresh.n_tags++] = (struct source_tag){ str_of(name), text };
	}
	*details = fresh;
}

static void take_address(struct properties *properties, struct source *source)
{
	struct str address;

	if (!take_text(properties, OEM "Address", TEXT_MAX_BYTES, &address))
		return;
	if (str_eq(address, STR(SOURCE_OWN_NAME)))
		properties_refuse(properties, OEM "Address", "PropertyValueFormatError",
				  "Address is the one that the source sends from.");
	else
		source->address = address;
}

/* No subscription is made on a source yet: asking for one must not look as if it had worked. */
static void take_subscribe(struct properties *properties)
{
	bool subscribe = false;

	take_bool(properties, OEM "Subscribe", &subscribe);
	if (subscribe)
		properties_refuse(properties, OEM "Subscribe", "PropertyValueNotInList",
				  "This service makes no subscriptions on its sources: give the source "
				  "EventUri as the Destination of one.");
}

static void take_all(struct properties *properties, struct source_body *body)
{
	struct source_details *details = &body->details;
	struct source *source = &body->source;
	struct str name;

	if (take_text(properties, "Name", NAME_MAX_BYTES, &name)) {
		if (name.p)
			source->name = name;
		else
			properties_refuse(properties, "Name", "PropertyValueTypeError", NULL);
	}
	take_host(properties, body);
	take_text(properties, "UserName", SOURCE_SECRET_MAX_BYTES, &details->user_name);
	take_password(properties, body);
	take_text(properties, OEM "Site", TEXT_MAX_BYTES, &source->site);
	take_text(properties, OEM "Rack", TEXT_MAX_BYTES, &source->rack);
	take_text(properties, OEM "Owner", TEXT_MAX_BYTES, &source->owner);
	take_address(properties, source);
	take_certificate(properties, source);
	take_bool(properties, OEM "Insecure", &details->insecure);
	take_tags(properties, details);
	take_subscribe(properties);
}

void source_body_read(struct source_body *body, struct properties *properties)
{
	static const char *const known[] = { "Name",	    "HostName",		"UserName",
					     "Password",    OEM "Site",		OEM "Rack",
					     OEM "Owner",   OEM "Tags",		OEM "Address",
					     OEM "Insecure", OEM "Certificate", OEM "Subscribe",
					     NULL };
	static const char *const read_only[] = { "Id",		"Actions",	 "Links",
						 OEM "State",	OEM "EventUri",	 OEM "Created",
						 OEM "Activity", OEM "TokenSet", OEM "PasswordSet",
						 NULL };

	properties_refuse_others(properties, known, read_only);
	if (body->is_new && !json_object_get(properties->body, "HostName"))
		properties_refuse(properties, "HostName", "CreateFailedMissingReqProperties", NULL);
	take_all(properties, body);
	if (body->is_new && !body->source.name.p)
		body->source.name = body->details.url;
}
