import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { capture } from "../../lib/process.ts";

/** States of stacks that ran on a local Fly only, and are gone: their keys open nothing. */
const RECORDED = /^test\/upgrade\/states\/\w+\.json$/;

/** Text that looks like a secret but opens nothing; each must still be in the file that it is allowed in. */
const ALLOWED: [file: string, text: string][] = [
    [
        "test/broker/image.spec.ts",
        ["-----BEGIN PRIVATE", "KEY-----\\nMIGHAgEAMBMGByqGSM49"].join(" "),
    ],
    ["test/broker/image.spec.ts", ["$7", "100", "c2FsdHNhbHRzYWx0", "aGFzaA=="].join("$")],
    ["test/providers/delegates.spec.ts", ["fo1", "what-must-not-get-into-the-state"].join("_")],
    ["test/providers/engine.spec.ts", ["fo1", "what-must-not-get-into-the-state"].join("_")],
    ["test/providers/support/scriptedClient.ts", ["fo1", "not-a-token-of-anyone"].join("_")],
];

/** Kinds of secrets by their form; the match is reported. */
const KINDS: { kind: string; pattern: RegExp; files?: RegExp }[] = [
    {
        // With its body: programs search for the header alone. In source, \n is two characters.
        kind: "private key",
        pattern: /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:\s|\\+[nr])*[A-Za-z0-9+/]{16,}/g,
    },
    { kind: "Fly token", pattern: /\b(?:fo1|fm1r|fm1a|fm2)_[A-Za-z0-9+/=_-]{16,}/g },
    {
        // Mosquitto's salts have at least 12 bytes: 16 characters.
        kind: "password hash",
        pattern: /\$[67]\$(?:\d+\$)?[A-Za-z0-9+/]{16,}=*\$[A-Za-z0-9+/]+=*/g,
    },
    {
        kind: "literal password",
        pattern:
            /(?:^|[{,])[ \t]*(?:-[ \t]+)?["']?[\w.:-]*(?:password|passwd|passphrase|secret|token)["']?[ \t]*[:=][ \t]*(?!["']?(?:\$\{|\*\*\*|true\b|false\b|null\b|\{|\[))["']?[^\s"'#].*/gim,
        files: /\.(ya?ml|json|conf|toml|ini|env)$|(^|\/)\.env|(^|\/)\.npmrc$/,
    },
    {
        // As in mosquitto.conf: a key, white space and the value.
        kind: "literal password",
        pattern: /^[ \t]*(?:remote_|bridge_)?(?:password|psk)[ \t]+\S+/gim,
        files: /\.conf$/,
    },
];

interface Finding {
    kind: string;
    file: string;
    text: string;
}

function findSecrets(file: string, content: string): Finding[] {
    return KINDS.filter(({ files }) => files?.test(file) ?? true).flatMap(({ kind, pattern }) =>
        [...content.matchAll(pattern)].map(([text]) => ({ kind, file, text })),
    );
}

const REGISTRIES = [
    ["registry", "npmjs", "org"],
    ["registry", "yarnpkg", "com"],
    ["npm", "pkg", "github", "com"],
    ["proxy", "golang", "org"],
    ["sum", "golang", "org"],
    ["pypi", "org"],
    ["files", "pythonhosted", "org"],
    ["deb", "debian", "org"],
    ["security", "debian", "org"],
    ["ftp", "debian", "org"],
    ["snapshot", "debian", "org"],
    ["archive", "ubuntu", "com"],
    ["dl-cdn", "alpinelinux", "org"],
    ["crates", "io"],
    ["rubygems", "org"],
    ["repo1", "maven", "org"],
].map((labels) => labels.join("."));

function findRegistries(content: string): string[] {
    const text = content.toLowerCase();
    return REGISTRIES.filter((host) => text.includes(host));
}

/** Git's files of this repository: what a clone contains. */
describe("repository", () => {
    const files = new Map<string, string>();

    before(async function () {
        const listed = await capture(["git", "ls-files", "-z"], { cwd: ROOT });
        for (const name of listed.code === 0 ? listed.stdout.split("\0") : []) {
            const file = path.join(ROOT, name);
            if (name === "" || !existsSync(file) || !statSync(file).isFile()) continue;
            files.set(name, readFileSync(file, "latin1"));
        }
        if (files.size === 0) {
            console.log("    skipped: git knows no files here (no git, or not a clone)");
            this.skip();
        }
    });

    it("contains no key, token, password hash or password", () => {
        assert.ok(files.has("index.ts") && files.has("Pulumi.dev.yaml"));
        const found = [...files]
            .filter(([file]) => !RECORDED.test(file))
            .flatMap(([file, content]) => findSecrets(file, content))
            .filter(
                ({ file, text }) =>
                    !ALLOWED.some(([place, known]) => place === file && known === text),
            )
            .map(({ kind, file, text }) => `${kind} in ${file}: ${text.slice(0, 30)}…`);
        assert.deepEqual(found, []);
    });

    it("still contains everything that is allowed", () => {
        for (const [file, text] of ALLOWED) {
            assert.ok(files.get(file)?.includes(text), `${text.slice(0, 30)}… is not in ${file}`);
        }
    });

    it("names no package registry's host: users have a registry configured", () => {
        const found = [...files].flatMap(([file, content]) =>
            findRegistries(content).map((host) => `${file}: ${host}`),
        );
        assert.deepEqual(found, []);
    });
});

describe("search for secrets", () => {
    const body = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg";
    const begin = (kind: string) => `-----BEGIN ${kind}PRIVATE ` + "KEY-----";
    const long = "x".repeat(40);
    const planted: [kind: string, file: string, content: string][] = [
        ["private key", "a.pem", `${begin("")}\n${body}\n`],
        ["private key", "a.pem", `${begin("EC ")}\r\n${body}\r\n`],
        ["private key", "a.ts", `const key = "${begin("OPENSSH ")}\\n${body}\\n";`],
        ["private key", "state.json", `{"key": "${begin("RSA ")}\\\\n${body}"}`],
        ["Fly token", "a.ts", `const token = "${"fo1"}_${long}";`],
        ["Fly token", "README.md", `FLY_API_TOKEN="FlyV1 ${"fm2"}_${long},${"fm2"}_${long}"`],
        ["Fly token", "a.yaml", `x: ${"fm1r"}_${long}`],
        ["Fly token", "a.yaml", `x: ${"fm1a"}_${long}`],
        ["password hash", "passwd", `ada:$7$101$${"A".repeat(16)}$${"B".repeat(86)}==`],
        ["password hash", "passwd", `ada:$6$${"A".repeat(16)}$${"B".repeat(86)}==`],
        [
            "literal password",
            "Pulumi.dev.yaml",
            "config:\n  appkata-mqtt:password: hunter2-hunter2",
        ],
        ["literal password", "a.yml", "    - password: 'hunter2'"],
        ["literal password", "a.json", '{\n  "dbPassword": "hunter2",\n}'],
        ["literal password", "b.json", '{"user":"ada","password":"hunter2"}'],
        ["literal password", "Pulumi.x.yaml", "  fly:token: abcdef"],
        ["literal password", "bridge.conf", "remote_password hunter2"],
        ["literal password", ".env", "PASSWORD=hunter2"],
    ];
    for (const [kind, file, content] of planted) {
        const start = JSON.stringify(content.trim().slice(0, 28));
        it(`finds a ${kind} in ${file}: ${start}…`, () => {
            const found = findSecrets(file, content);
            assert.ok(found.length >= 1, content);
            assert.ok(
                found.every((finding) => finding.kind === kind),
                JSON.stringify(found),
            );
        });
    }

    const harmless: [file: string, content: string][] = [
        ["a.ts", `/${begin("[A-Z ]*")}\\s/`],
        ["a.ts", "`$7$${iterations}$${salt}`; `fo1_${random}`; 'fm2_aaaa'"],
        ["a.yaml", "env:\n  TOKEN: ${{ secrets.FLY_API_TOKEN }}\n  PASSWORD: ${PASSWORD}"],
        ["schema.json", '"password": {\n  "secret": true,\n'],
        ["Pulumi.x.yaml", "  fly:token:\n    secure: v1:abc"],
        ["m.conf", "password_file /etc/mosquitto/passwd\n# password hunter2"],
    ];
    for (const [file, content] of harmless) {
        it(`leaves alone ${JSON.stringify(content.slice(0, 32))}…`, () => {
            assert.deepEqual(findSecrets(file, content), []);
        });
    }

    it("finds a registry's host in a lock file's line", () => {
        const host = REGISTRIES[0]!;
        assert.deepEqual(findRegistries(`"resolved": "https://${host}/mocha.tgz"`), [host]);
    });
});
