/** Runs the commands for clients in a real shell, with programs that record their arguments. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { pastedCommand } from "../../commands/pasted.ts";
import { clientCommand } from "../../components/clients.ts";

/** Any text that a shell word can hold; a substitution drops line breaks at its end. */
const text = fc
    .oneof(
        fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
        fc.string({
            unit: fc.constantFrom(..."'\"\\$`!&;|<>(){}[]*?~#%@:/ -ab\n\t"),
            minLength: 1,
        }),
    )
    .filter((word) => !word.includes("\0") && !word.endsWith("\n"));

const user = text.filter((name) => !/[:\p{Cc}]/u.test(name) && name.trim() === name);

describe("commands for clients", function () {
    this.timeout(60_000);
    let folder: string;

    before(() => {
        folder = mkdtempSync(path.join(tmpdir(), "commands-"));
        mkdirSync(path.join(folder, "bin"));
        const stub = (name: string, body: string) => {
            const file = path.join(folder, "bin", name);
            writeFileSync(file, `#!/bin/sh\n${body}\n`);
            chmodSync(file, 0o755);
        };
        stub("mosquitto_pub", 'printf "%s\\0" "$@" >"$SAID/client"');
        stub("npm", 'printf "%s\\0" "$@" >"$SAID/npm"; printf "%s\\n" "$PASSWORD"');
    });
    after(() => rmSync(folder, { recursive: true }));

    function calls(command: string, password = ""): { client: string[]; npm: string[] } {
        const names = ["client", "npm"] as const;
        for (const name of names) writeFileSync(path.join(folder, name), "");
        const run = spawnSync("sh", ["-c", command], {
            cwd: folder,
            env: { PATH: `${folder}/bin:/usr/bin:/bin`, SAID: folder, PASSWORD: password },
            encoding: "utf8",
        });
        assert.equal(run.status, 0, `${command}\n${run.stderr}`);
        const [client, npm] = names.map((name) =>
            readFileSync(path.join(folder, name), "utf8").split("\0").slice(0, -1),
        );
        return { client: client!, npm: npm! };
    }

    const connection = fc.record({
        program: fc.constant("mosquitto_pub"),
        host: fc.constantFrom("app.fly.dev", "127.0.0.1", "2a09:8280::1"),
        port: fc.constant(10000),
        topic: text,
        caFile: fc.constantFrom("certs/dev/rootCA.pem", undefined),
        rest: fc.constant(" -l"),
    });

    /** A client's arguments, parsed. */
    function optionsOf(args: string[]): Record<string, string> {
        assert.equal(args.at(-1), "-l");
        const options: Record<string, string> = {};
        for (let at = 0; at < args.length - 1; at += 2) {
            if (args[at] === "--tls-use-os-certs") options.public = String(at--);
            else options[args[at]!] = args[at + 1]!;
        }
        const url = /^mqtts:\/\/(.*?):(.*?)@(.*):(\d+)\/(.*)$/s.exec(options["-L"] ?? "");
        if (url === null) return options;
        const [, name, password, host, port, topic] = url as unknown as string[];
        return {
            ...options,
            ...{ "-u": name!, "-P": password!, "-h": host!, "-p": port!, "-t": topic! },
        };
    }

    it("survive a shell, whatever characters name, password and topic have", () => {
        fc.assert(
            fc.property(connection, user, text, (args, name, password) => {
                const command = clientCommand({
                    ...args,
                    user: name,
                    certificate: false,
                    password,
                });
                const options = optionsOf(calls(command).client);
                assert.equal(options["-u"], name);
                assert.equal(options["-P"], password);
                assert.equal(options["-t"], args.topic);
                assert.equal(options["-h"], args.host);
                assert.equal(options["--cafile"], args.caFile);
            }),
            { numRuns: 150 },
        );
    });

    it("work when pasted from any folder, and show no password", () => {
        const root = text.map((name) => `/${name}`);
        fc.assert(
            fc.property(connection, user, text, root, (args, name, password, folder) => {
                const command = clientCommand({
                    ...args,
                    user: name,
                    certificate: false,
                    password,
                });
                const shown = pastedCommand(command, { other: "x", [name]: password }, folder);
                // The address may have changed by then.
                const { client, npm } = calls(shown, `${password}'"@/`);
                const options = optionsOf(client);
                assert.equal(options["-P"], `${password}'"@/`);
                assert.equal(options["-u"], name);
                assert.equal(options["-t"], args.topic);
                const fetch = ["run", "--silent", "outputs", "--", "--show-secrets", "--", "users"];
                assert.deepEqual(npm, ["--prefix", folder, ...fetch, name]);
                if (args.caFile) assert.equal(options["--cafile"], `${folder}/${args.caFile}`);
            }),
            { numRuns: 150 },
        );
    });

    it("name a device's files in the project's folder", () => {
        fc.assert(
            fc.property(user, text, (name, topic) => {
                const command = clientCommand({
                    ...{ program: "mosquitto_pub", host: "127.0.0.1", port: 10001, topic },
                    ...{ user: name, certificate: true, password: undefined },
                    ...{ caFile: "certs/dev/rootCA.pem", rest: " -l" },
                });
                const { client, npm } = calls(pastedCommand(command, {}, "/it's here"));
                const options = optionsOf(client);
                assert.equal(options["--cert"], `/it's here/certs/dev/${name}.crt`);
                assert.equal(options["--key"], `/it's here/certs/dev/${name}.key`);
                assert.equal(options["--cafile"], "/it's here/certs/dev/rootCA.pem");
                assert.equal(options["-t"], topic);
                assert.deepEqual(npm, []);
            }),
            { numRuns: 60 },
        );
    });
});
