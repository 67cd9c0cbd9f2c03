/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "test/unit/test.h"
#include "test/unit/watch_cluster.h"

#define HOST "server: https://h:6443"
#define WITH_K "https://h:6443"

/* ---- Files as they are met ------------------------------------------------------------------ */

/* kubeadm's ConfigMap for kube-proxy; it is mounted into /var/lib/kube-proxy. */
static const char kubeadm[] =
	"apiVersion: v1\n"
	"kind: Config\n"
	"clusters:\n"
	"- cluster:\n"
	"    certificate-authority: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt\n"
	"    server: https://192.0.2.10:6443\n"
	"  name: default\n"
	"contexts:\n"
	"- context:\n"
	"    cluster: default\n"
	"    namespace: default\n"
	"    user: default\n"
	"  name: default\n"
	"current-context: default\n"
	"users:\n"
	"- name: default\n"
	"  user:\n"
	"    tokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token\n";

static const char kind[] = "apiVersion: v1\n"
			   "clusters:\n"
			   "- cluster:\n"
			   "    certificate-authority-data: " PEM_A "\n"
			   "    server: https://127.0.0.1:41387\n"
			   "  name: kind-kind\n"
			   "contexts:\n"
			   "- context:\n"
			   "    cluster: kind-kind\n"
			   "    user: kind-kind\n"
			   "  name: kind-kind\n"
			   "current-context: kind-kind\n"
			   "kind: Config\n"
			   "preferences: {}\n"
			   "users:\n"
			   "- name: kind-kind\n"
			   "  user:\n"
			   "    client-certificate-data: " PEM_B "\n"
			   "    client-key-data: " PEM_C "\n";

/* What k3s gives to its own kube-proxy: files beside it. */
static const char k3s[] = "apiVersion: v1\n"
			  "clusters:\n"
			  "- cluster:\n"
			  "    server: https://127.0.0.1:6444\n"
			  "    certificate-authority: /var/lib/rancher/k3s/agent/server-ca.crt\n"
			  "  name: local\n"
			  "contexts:\n"
			  "- context:\n"
			  "    cluster: local\n"
			  "    namespace: default\n"
			  "    user: user\n"
			  "  name: Default\n"
			  "current-context: Default\n"
			  "kind: Config\n"
			  "preferences: {}\n"
			  "users:\n"
			  "- name: user\n"
			  "  user:\n"
			  "    client-certificate: client-kube-proxy.crt\n"
			  "    client-key: client-kube-proxy.key\n";

static const char eks[] =
	"apiVersion: v1\n"
	"clusters:\n"
	"- cluster:\n"
	"    certificate-authority-data: " PEM_A "\n"
	"    server: https://0123456789ABCDEF.gr7.eu-west-1.eks.amazonaws.com\n"
	"  name: arn:aws:eks:eu-west-1:111122223333:cluster/prod\n"
	"contexts:\n"
	"- context:\n"
	"    cluster: arn:aws:eks:eu-west-1:111122223333:cluster/prod\n"
	"    user: arn:aws:eks:eu-west-1:111122223333:cluster/prod\n"
	"  name: arn:aws:eks:eu-west-1:111122223333:cluster/prod\n"
	"current-context: arn:aws:eks:eu-west-1:111122223333:cluster/prod\n"
	"kind: Config\n"
	"preferences: {}\n"
	"users:\n"
	"- name: arn:aws:eks:eu-west-1:111122223333:cluster/prod\n"
	"  user:\n"
	"    exec:\n"
	"      apiVersion: client.authentication.k8s.io/v1beta1\n"
	"      args: [--region, eu-west-1, eks, get-token, --cluster-name, prod]\n"
	"      command: aws\n";

/* kubectl config view --raw -o json */
static const char kubectl_json[] =
	"{\n"
	"    \"kind\": \"Config\",\n"
	"    \"apiVersion\": \"v1\",\n"
	"    \"preferences\": {},\n"
	"    \"clusters\": [\n"
	"        {\n"
	"            \"name\": \"other\",\n"
	"            \"cluster\": {\n"
	"                \"server\": \"no URL, and nobody looks\"\n"
	"            }\n"
	"        },\n"
	"        {\n"
	"            \"name\": \"prod\",\n"
	"            \"cluster\": {\n"
	"                \"server\": \"https://[2001:db8::1]:6443/\",\n"
	"                \"certificate-authority-data\": \"" PEM_A "\",\n"
	"                \"disable-compression\": true\n"
	"            }\n"
	"        }\n"
	"    ],\n"
	"    \"users\": [\n"
	"        {\n"
	"            \"name\": \"cloud\",\n"
	"            \"user\": {\n"
	"                \"auth-provider\": {\"name\": \"gcp\"}\n"
	"            }\n"
	"        },\n"
	"        {\n"
	"            \"name\": \"admin\",\n"
	"            \"user\": {\n"
	"                \"token\": \"31ada4fd-adec-460c-809a-9e56ceb75269\"\n"
	"            }\n"
	"        }\n"
	"    ],\n"
	"    \"contexts\": [\n"
	"        {\n"
	"            \"name\": \"other\",\n"
	"            \"context\": {\"cluster\": \"other\", \"user\": \"cloud\"}\n"
	"        },\n"
	"        {\n"
	"            \"name\": \"admin@prod\",\n"
	"            \"context\": {\"cluster\": \"prod\", \"user\": \"admin\"}\n"
	"        }\n"
	"    ],\n"
	"    \"current-context\": \"admin@prod\"\n"
	"}\n";

/* ---- What is understood --------------------------------------------------------------------- */

static const struct {
	const char *what;
	const char *text;
	const char *dir;
	const char *want;
} good[] = {
	{ "kubeadm's for kube-proxy", kubeadm, "/var/lib/kube-proxy",
	  "https://192.0.2.10:6443 ca=/var/run/secrets/kubernetes.io/serviceaccount/ca.crt "
	  "token-file=/var/run/secrets/kubernetes.io/serviceaccount/token" },
	{ "kind's", kind, "",
	  "https://127.0.0.1:41387 ca=(-----BEGIN A) cert=(-----BEGIN B) key=(-----BEGIN C)" },
	{ "k3s', with paths that are relative", k3s, "/var/lib/rancher/k3s/agent",
	  "https://127.0.0.1:6444 ca=/var/lib/rancher/k3s/agent/server-ca.crt "
	  "cert=/var/lib/rancher/k3s/agent/client-kube-proxy.crt "
	  "key=/var/lib/rancher/k3s/agent/client-kube-proxy.key" },
	{ "kubectl's JSON, with entries that are not ours", kubectl_json, "",
	  "https://[2001:db8::1]:6443 ca=(-----BEGIN A) "
	  "token=31ada4fd-adec-460c-809a-9e56ceb75269" },
	{ "no credentials", KUBECONFIG(HOST, ""), "", WITH_K },
	{ "no credentials to a server without encryption",
	  KUBECONFIG("server: 'http://k8s.example:8080'", ""), "", "http://k8s.example:8080" },
	{ "a context without user",
	  "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
	  "clusters: [{name: k, cluster: {" HOST "}}]\n",
	  "", WITH_K },
	{ "a token", KUBECONFIG(HOST, "token: abc"), "", WITH_K " token=abc" },
	{ "a token to this machine without encryption",
	  KUBECONFIG("server: 'http://127.0.0.1:8080'", "token: abc"), "",
	  "http://127.0.0.1:8080 token=abc" },
	{ "a token to this machine, IPv6", KUBECONFIG("server: 'http://[::1]:8080'", "token: abc"),
	  "", "http://[::1]:8080 token=abc" },
	{ "a token's file wins over the token", KUBECONFIG(HOST, "token: abc, tokenFile: token"),
	  "/etc/k", WITH_K " token-file=/etc/k/token" },
	{ "user and password", KUBECONFIG(HOST, "username: me, password: 'p:w '"), "",
	  WITH_K " username=me password=p:w " },
	{ "a user without password", KUBECONFIG(HOST, "username: me"), "",
	  WITH_K " username=me password=" },
	{ "a certificate and a token",
	  KUBECONFIG(HOST, "client-certificate: /c, client-key: /k, token: abc"), "",
	  WITH_K " cert=/c key=/k token=abc" },
	{ "a certificate as data, its key as file",
	  KUBECONFIG(HOST, "client-certificate-data: " PEM_B ", client-key: k.pem"), "certs",
	  WITH_K " cert=(-----BEGIN B) key=certs/k.pem" },
	{ "data win over files",
	  KUBECONFIG(HOST ", certificate-authority: a, certificate-authority-data: " PEM_A,
	             "client-certificate: b, client-certificate-data: " PEM_B
	             ", client-key: c, client-key-data: " PEM_C),
	  "/d", WITH_K " ca=(-----BEGIN A) cert=(-----BEGIN B) key=(-----BEGIN C)" },
	{ "empty data do not win",
	  KUBECONFIG(HOST ", certificate-authority: a, certificate-authority-data: ''", ""), "",
	  WITH_K " ca=a" },
	{ "data with line breaks",
	  "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
	  "clusters:\n- name: k\n  cluster:\n    " HOST "\n    certificate-authority-data: |\n"
	  "      LS0tLS1C\n      RUdJTiBB\n",
	  "", WITH_K " ca=(-----BEGIN A)" },
	{ "a directory with a slash at its end",
	  KUBECONFIG(HOST ", certificate-authority: ca.crt", ""), "/", WITH_K " ca=/ca.crt" },
	{ "a relative path upwards", KUBECONFIG(HOST ", certificate-authority: ../ca.crt", ""),
	  "/etc/k", WITH_K " ca=/etc/k/../ca.crt" },
	{ "an absolute path", KUBECONFIG(HOST, "tokenFile: /run/token"), "/etc/k",
	  WITH_K " token-file=/run/token" },
	{ "no verification", KUBECONFIG(HOST ", insecure-skip-tls-verify: true", ""), "",
	  WITH_K " insecure" },
	{ "verification, with an authority",
	  KUBECONFIG(HOST ", insecure-skip-tls-verify: false, certificate-authority: /ca", ""), "",
	  WITH_K " ca=/ca" },
	{ "another name in the certificate", KUBECONFIG(HOST ", tls-server-name: k8s.example", ""),
	  "", WITH_K " name=k8s.example" },
	{ "an address in the certificate", KUBECONFIG(HOST ", tls-server-name: 'fd00::1'", ""), "",
	  WITH_K " name=fd00::1" },
	{ "a proxy", KUBECONFIG(HOST ", proxy-url: 'socks5://me:pw@p:1080'", "token: abc"), "",
	  WITH_K " proxy=socks5://me:pw@p:1080 token=abc" },
	{ "impersonation of nobody",
	  KUBECONFIG(HOST, "as: '', as-uid: null, as-groups: [], as-user-extra: {}"), "", WITH_K },
	{ "empty strings are absent",
	  KUBECONFIG(HOST ", tls-server-name: '', proxy-url: ''",
	             "token: '', tokenFile: '', username: '', password: '', client-key: ''"),
	  "/d", WITH_K },
	{ "nulls are absent",
	  KUBECONFIG(HOST ", tls-server-name: null, insecure-skip-tls-verify: ~",
	             "token: , exec: null, auth-provider: null"),
	  "/d", WITH_K },
	{ "unknown fields", KUBECONFIG(HOST ", future: [1]", "future: {x: y}"), "", WITH_K },
	{ "the first of two entries with one name",
	  "current-context: c\n"
	  "contexts: [{name: c, context: {cluster: k}}, {name: c, context: {cluster: l}}]\n"
	  "clusters: [{name: k, cluster: {" HOST "}}, {name: k, cluster: {server: x}}]\n",
	  "", WITH_K },
	{ "a byte order mark", "\xef\xbb\xbf" KUBECONFIG(HOST, ""), "", WITH_K },
	{ "neither kind nor version, a document's marks",
	  "---\ncurrent-context: c\ncontexts: [{name: c, context: {cluster: k}}]\n"
	  "clusters: [{name: k, cluster: {" HOST "}}]\n...\n",
	  "", WITH_K },
};

static void understands_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct strbuf got AUTO_STRBUF = { 0 };
		struct watch_cluster cluster = { 0 };
		struct err err = { 0 };
		int ret;

		print_message("  - %s\n", good[i].what);
		ret = watch_kubeconfig_parse(good[i].text, strlen(good[i].text), good[i].dir,
		                             &cluster, &err);
		assert_string_equal(err.msg, "");
		assert_int_equal(ret, 0);
		describe_cluster(&got, &cluster);
		assert_string_equal(got.text, good[i].want);
		assert_true(cluster_is_sane(&cluster));
		watch_cluster_done(&cluster);
	}
}

/* ---- What is refused ------------------------------------------------------------------------ */

#define CLUSTER "clusters[0].cluster."
#define USER "users[0].user."
#define NO_PLUGIN "plugins are not run; use tokenFile, token or client-certificate"
#define NO_IMPERSONATION "impersonation is not supported; name a user that has the rights itself"
#define IN_THE_CLEAR CLUSTER "server: a token or password is not sent unencrypted; use https://"
#define CONTROL "a line break or another control character"

static const struct bad {
	const char *what;
	const char *text;
	const char *msg;
	int ret; /* 0: -EINVAL */
} bad[] = {
	{ "EKS' with a plugin", eks, USER "exec: " NO_PLUGIN, -EOPNOTSUPP },
	{ "a provider", KUBECONFIG(HOST, "auth-provider: {name: oidc}"),
	  USER "auth-provider: " NO_PLUGIN, -EOPNOTSUPP },
	{ "a plugin beside a token", KUBECONFIG(HOST, "token: abc, exec: {}"),
	  USER "exec: " NO_PLUGIN, -EOPNOTSUPP },
	{ "impersonation", KUBECONFIG(HOST, "token: abc, as: root"), USER "as: " NO_IMPERSONATION,
	  -EOPNOTSUPP },
	{ "impersonation of groups", KUBECONFIG(HOST, "as-groups: [g]"),
	  USER "as-groups: " NO_IMPERSONATION, -EOPNOTSUPP },
	{ "impersonation of an id", KUBECONFIG(HOST, "as-uid: 0"), USER "as-uid: " NO_IMPERSONATION,
	  -EOPNOTSUPP },
	{ "impersonation with extras", KUBECONFIG(HOST, "as-user-extra: {x: [y]}"),
	  USER "as-user-extra: " NO_IMPERSONATION, -EOPNOTSUPP },
	{ "nothing", "", "empty", 0 },
	{ "a comment", "# nothing\n", "empty", 0 },
	{ "no object", "hello", "not an object", 0 },
	{ "a list", "[]", "not an object", 0 },
	{ "another kind of object", "apiVersion: v1\nkind: Secret\n", "kind: not Config", 0 },
	{ "another version", "apiVersion: v2\nkind: Config\n", "apiVersion: not v1", 0 },
	{ "two documents", KUBECONFIG(HOST, "") "---\nkind: Config\n",
	  "document 2, line 8: a second object; a kubeconfig is one", 0 },
	{ "no current context", "kind: Config\n", "current-context: missing", 0 },
	{ "an empty current context", "current-context: ''\n", "current-context: missing", 0 },
	{ "a context that does not exist", "current-context: prod\n",
	  "current-context: there is no context 'prod'", 0 },
	{ "case matters", "current-context: C\ncontexts: [{name: c}]\n",
	  "current-context: there is no context 'C'", 0 },
	{ "a context whose name is no name", "current-context: 'a b'\n",
	  "current-context: there is no context", 0 },
	{ "a context of nothing", "current-context: c\ncontexts: [{name: c}]\n",
	  "contexts[0].context: missing", 0 },
	{ "a context of null", "current-context: c\ncontexts: [{}, {name: c, context: null}]\n",
	  "contexts[1].context: missing", 0 },
	{ "a context without cluster", "current-context: c\ncontexts: [{name: c, context: {}}]\n",
	  "contexts[0].context.cluster: missing", 0 },
	{ "a cluster that does not exist",
	  "current-context: c\ncontexts: [{name: c, context: {cluster: k}}]\nclusters: []\n",
	  "contexts[0].context.cluster: there is no cluster 'k'", 0 },
	{ "a user that does not exist",
	  "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: a/b}}]\n"
	  "clusters: [{name: k, cluster: {" HOST "}}]\n",
	  "contexts[0].context.user: there is no user 'a/b'", 0 },
	{ "clusters that are no list", "current-context: c\ncontexts: {}\n", "contexts: not a list",
	  0 },
	{ "an entry that is no object", "current-context: c\ncontexts: [c]\n",
	  "contexts[0]: not an object", 0 },
	{ "an entry that is null", "current-context: c\ncontexts: [null]\n",
	  "contexts[0]: not an object", 0 },
	{ "a name that is no string", "current-context: c\ncontexts: [{name: 1}]\n",
	  "contexts[0].name: not a string", 0 },
	{ "a body that is no object", "current-context: c\ncontexts: [{name: c, context: x}]\n",
	  "contexts[0].context: not an object", 0 },
	{ "a list given twice", "contexts: []\ncontexts: []\n", "contexts: given twice", 0 },
	{ "a field given twice", KUBECONFIG(HOST, "token: abc, token: def"),
	  USER "token: given twice", 0 },
	{ "no server", KUBECONFIG("insecure-skip-tls-verify: true", ""), CLUSTER "server: missing",
	  0 },
	{ "a server without scheme", KUBECONFIG("server: 'h:6443'", ""),
	  CLUSTER "server: the URL begins with neither https:// nor http://", 0 },
	{ "a server with a user", KUBECONFIG("server: 'https://me:pw@h'", ""),
	  CLUSTER "server: a user name in the URL; it belongs into the user's entry", 0 },
	{ "a server of two lines", KUBECONFIG("server: \"https://h\\nx\"", ""),
	  CLUSTER "server: " CONTROL, 0 },
	{ "a proxy of another kind", KUBECONFIG(HOST ", proxy-url: 'socks4://p'", ""),
	  CLUSTER "proxy-url: the URL begins with none of http://, https://, socks5://", 0 },
	{ "no server's name", KUBECONFIG(HOST ", tls-server-name: 'a b'", ""),
	  CLUSTER "tls-server-name: neither a name nor an address", 0 },
	{ "no truth value", KUBECONFIG(HOST ", insecure-skip-tls-verify: 'yes'", ""),
	  CLUSTER "insecure-skip-tls-verify: neither true nor false", 0 },
	{ "an authority that is not to be used",
	  KUBECONFIG(HOST ", insecure-skip-tls-verify: true, certificate-authority: /ca", ""),
	  "clusters[0].cluster: a certificate-authority together with insecure-skip-tls-verify",
	  0 },
	{ "an authority's data that are not to be used",
	  KUBECONFIG(HOST ", insecure-skip-tls-verify: true, certificate-authority-data: " PEM_A,
	             ""),
	  "clusters[0].cluster: a certificate-authority together with insecure-skip-tls-verify",
	  0 },
	{ "an authority that is no base64",
	  KUBECONFIG(HOST ", certificate-authority-data: '-----BEGIN A'", ""),
	  CLUSTER "certificate-authority-data: not base64", 0 },
	{ "an authority that is no PEM text",
	  KUBECONFIG(HOST ", certificate-authority-data: bm90aGluZyBoZXJl", ""),
	  CLUSTER "certificate-authority-data: no PEM text is encoded in it", 0 },
	{ "a NUL byte in an authority",
	  KUBECONFIG(HOST ", certificate-authority-data: LS0tLS1CRUdJTiAA", ""),
	  CLUSTER "certificate-authority-data: no PEM text is encoded in it", 0 },
	{ "a certificate that is no base64",
	  KUBECONFIG(HOST, "client-certificate-data: 'A', client-key: k"),
	  USER "client-certificate-data: not base64", 0 },
	{ "a key that is no base64",
	  KUBECONFIG(HOST, "client-certificate: c, client-key-data: '!'"),
	  USER "client-key-data: not base64", 0 },
	{ "a certificate without key", KUBECONFIG(HOST, "client-certificate: c"),
	  "users[0].user: a client-certificate without client-key", 0 },
	{ "a certificate with an empty key",
	  KUBECONFIG(HOST, "client-certificate: c, client-key: '', client-key-data: ''"),
	  "users[0].user: a client-certificate without client-key", 0 },
	{ "a key without certificate", KUBECONFIG(HOST, "client-key-data: " PEM_C),
	  "users[0].user: a client-key without client-certificate", 0 },
	{ "a token that is a number", KUBECONFIG(HOST, "token: 123"), USER "token: not a string",
	  0 },
	{ "a token of two lines", KUBECONFIG(HOST, "token: \"abc\\r\\nX-Evil: 1\""),
	  USER "token: " CONTROL, 0 },
	{ "a token and a user", KUBECONFIG(HOST, "token: abc, username: me"),
	  "users[0].user: both a token and a username; the server takes one", 0 },
	{ "a token's file and a user", KUBECONFIG(HOST, "tokenFile: /t, username: me"),
	  "users[0].user: both a token and a username; the server takes one", 0 },
	{ "a password without user", KUBECONFIG(HOST, "password: abc"), USER "username: missing",
	  0 },
	{ "a user with a colon", KUBECONFIG(HOST, "username: 'a:b', password: c"),
	  USER "username: a colon, which a user name cannot have", 0 },
	{ "a token to a server without encryption",
	  KUBECONFIG("server: 'http://h:8080'", "token: abc"), IN_THE_CLEAR, 0 },
	{ "a token's file to a server without encryption",
	  KUBECONFIG("server: 'http://h:8080'", "tokenFile: /t"), IN_THE_CLEAR, 0 },
	{ "a password to a server without encryption",
	  KUBECONFIG("server: 'http://192.0.2.1'", "username: me"), IN_THE_CLEAR, 0 },
	{ "a token to this machine by way of a proxy",
	  KUBECONFIG("server: 'http://127.0.0.1', proxy-url: 'http://p'", "token: abc"),
	  IN_THE_CLEAR, 0 },
	{ "an alias", "current-context: &c x\nkind: *c\n",
	  "document 1, line 2: aliases are not supported", 0 },
	{ "a foreign tag", "current-context: !vault x\n",
	  "document 1, line 1: a tag that is foreign, or does not fit the value", 0 },
	{ "broken YAML", "a: b: c\n",
	  "document 1, line 1: broken YAML: mapping values are not allowed in this context", 0 },
	{ "broken YAML, told with quotation marks", "a: [1\nb: 2\n",
	  "document 1, line 2: broken syntax", 0 },
	{ "broken JSON", "{\"current-context\":\n  oops}", "document 1, line 2: broken syntax", 0 },
	{ "broken JSON, told without",
	  "{\"current-context\":", "document 1, line 1: the text ends inside an object", 0 },
};

static void expect_refused(const char *text, size_t len, int ret, const char *msg)
{
	struct watch_cluster cluster = { .insecure = true };
	struct err err = { 0 };

	assert_int_equal(watch_kubeconfig_parse(text, len, "/d", &cluster, &err), ret);
	assert_string_equal(err.msg, msg);
	assert_int_equal(err.code, -ret);
	assert_true(cluster.insecure); /* untouched */
	assert_null(cluster.server);
	assert_int_equal(watch_kubeconfig_parse(text, len, "/d", &cluster, NULL), ret);
}

static void refuses_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		print_message("  - %s\n", bad[i].what);
		expect_refused(bad[i].text, strlen(bad[i].text),
		               bad[i].ret != 0 ? bad[i].ret : -EINVAL, bad[i].msg);
	}
}

static void bounds_the_text(void **state)
{
	static const char config[] = KUBECONFIG(HOST, "");
	const size_t size = WATCH_MAX_KUBECONFIG_BYTES + 1;
	char *text AUTO_FREE = xmalloc(size);
	struct watch_cluster cluster;

	(void)state;
	memset(text, '\n', size);
	memcpy(text, config, sizeof(config) - 1);
	assert_int_equal(watch_kubeconfig_parse(text, size - 1, "", &cluster, NULL), 0);
	watch_cluster_done(&cluster);
	expect_refused(text, size, -E2BIG, "larger than 1024 KiB");
	memset(text, '[', 300);
	expect_refused(text, 300, -E2BIG, "document 1, line 1: nested deeper than 200 levels");
}

static void reads_as_much_as_it_is_given(void **state)
{
	static const char config[] = KUBECONFIG(HOST, "token: abc") "}}}";
	struct watch_cluster cluster;

	(void)state;
	assert_int_equal(watch_kubeconfig_parse(config, sizeof(config) - 4, "", &cluster, NULL), 0);
	watch_cluster_done(&cluster);
	expect_refused("a\0b", 3, -EINVAL,
	               "document 1, line 1: broken YAML: control characters are not allowed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(understands_rows),
		cmocka_unit_test(refuses_rows),
		cmocka_unit_test(bounds_the_text),
		cmocka_unit_test(reads_as_much_as_it_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
