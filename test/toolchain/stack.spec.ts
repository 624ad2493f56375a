// core
/**
 * Tests the whole toolchain: a real `pulumi up` of a program with certificates, an image, a command and a
 * dynamic resource. The image uses the real daemon if one answers.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { scratchStack, type Stack } from "./support/stack.ts";

const PROGRAM = `
import * as pulumi from "@pulumi/pulumi";
import * as command from "@pulumi/command";
import * as docker from "@pulumi/docker";
import * as tls from "@pulumi/tls";

const config = new pulumi.Config();
const caKey = new tls.PrivateKey("ca-key", { algorithm: "ECDSA", ecdsaCurve: "P256" });
const ca = new tls.SelfSignedCert("ca", {
    privateKeyPem: caKey.privateKeyPem, validityPeriodHours: 1000, isCaCertificate: true,
    allowedUses: ["cert_signing"], subject: { commonName: "CA" },
});
const key = new tls.PrivateKey("key", { algorithm: "ECDSA", ecdsaCurve: "P256" });
const request = new tls.CertRequest("request", {
    privateKeyPem: key.privateKeyPem, dnsNames: ["broker.test"], subject: { commonName: "broker" },
});
const certificate = new tls.LocallySignedCert("certificate", {
    certRequestPem: request.certRequestPem, caCertPem: ca.certPem, caPrivateKeyPem: caKey.privateKeyPem,
    validityPeriodHours: 100, earlyRenewalHours: config.getNumber("early") ?? 10,
    allowedUses: ["server_auth"],
});
const provider: pulumi.dynamic.ResourceProvider = {
    async create(inputs) { return (await import("scratch/own" as string)).create(inputs); },
};
class Name extends pulumi.dynamic.Resource {
    declare readonly name: pulumi.Output<string>;
    constructor(name: string, props: { prefix: string }) {
        super(provider, name, { name: undefined, ...props }, {}, "kept", "Name");
    }
}
const named = new Name("name", { prefix: "app" });
const image = config.getBoolean("docker") ? new docker.Image("image", {
    imageName: "127.0.0.1:5999/scratch-toolchain:latest", skipPush: true,
    build: { context: "app", dockerfile: "app/Dockerfile", platform: "linux/amd64" },
}) : undefined;
new command.local.Command("verification", {
    create: "echo checked $NAME; test -z $FAIL || { echo broken >&2; exit 9; }",
    environment: { NAME: named.name, PASSWORD: pulumi.secret("the-secret-word"), FAIL: config.get("fail") ?? "" },
    triggers: [certificate.certPem, image?.repoDigest ?? ""],
}, { additionalSecretOutputs: ["stderr"] });
console.log("the program's own line");
export const certificatePem = certificate.certPem;
export const name = named.name;
`;

const OWN = `
export async function create(inputs: { prefix: string }) {
    return { id: "one", outs: { ...inputs, name: inputs.prefix + "-1" } };
}
`;

function daemonAnswers(): boolean {
    try {
        execFileSync("docker", ["version"], { stdio: "ignore" });
        return true;
    } catch {
        return false;
    }
}

describe("stack on this toolchain", function () {
    this.timeout(120_000);
    let stack: Stack;
    let resources: number;
    before(async () => {
        const docker = daemonAnswers();
        if (!docker) console.log("      no Docker daemon answers: without the image");
        resources = docker ? 9 : 8;
        stack = scratchStack({
            "index.ts": PROGRAM,
            "own.ts": OWN,
            "app/Dockerfile": "FROM scratch\nCOPY a /a\n",
            "app/a": "one",
        });
        await ok("stack", "init", "dev");
        await ok("config", "set", "docker", String(docker));
    });
    after(async () => {
        try {
            await stack.pulumi("destroy", "--yes", "--skip-preview");
            if (resources === 9) {
                const name = "127.0.0.1:5999/scratch-toolchain:latest";
                execFileSync("docker", ["image", "rm", name], { stdio: "ignore" });
            }
        } finally {
            stack.remove();
        }
    });

    async function ok(...args: string[]): Promise<string> {
        const { code, text } = await stack.pulumi(...args);
        assert.equal(code, 0, text);
        return text;
    }
    const up = () => ok("up", "--yes", "--skip-preview");
    const outputs = async () =>
        JSON.parse(await ok("stack", "output", "--json")) as Record<string, string>;

    it("creates everything, and shows the output of program and command", async () => {
        const said = await up();
        assert.match(said, new RegExp(`\\+ ${resources} created`));
        assert.match(said, /the program's own line/);
        assert.match(said, /checked app-1/);
        assert.equal((await outputs())["name"], "app-1");
    });

    it("keeps keys and secret inputs encrypted in the state", () => {
        const state = path.join(stack.folder, ".state/.pulumi/stacks");
        let text = "";
        for (const entry of readdirSync(state, { recursive: true, withFileTypes: true })) {
            if (entry.isFile())
                text += readFileSync(path.join(entry.parentPath, entry.name), "utf8");
        }
        assert.match(text, /BEGIN CERTIFICATE/);
        assert.doesNotMatch(text, /PRIVATE KEY-----|the-secret-word/);
    });

    it("changes nothing the second time, in up, preview and refresh", async () => {
        const unchanged = new RegExp(`${resources} unchanged`);
        for (const args of [
            ["up", "--yes"],
            ["preview", "--expect-no-changes"],
            ["refresh", "--yes", "--expect-no-changes"],
        ]) {
            assert.match(await ok(...args), unchanged);
        }
    });

    it("rebuilds after a file changed, and reruns the command", async function () {
        if (resources < 9) this.skip();
        writeFileSync(path.join(stack.folder, "app/a"), "two");
        const said = await up();
        assert.match(said, /~ 1 updated/);
        assert.match(said, /\+-1 replaced/);
    });

    it("renews a due certificate, and what depends on it, without a refresh", async () => {
        const before = (await outputs())["certificatePem"];
        await ok("config", "set", "early", "100");
        assert.match(await ok("preview"), /LocallySignedCert certificate replace/);
        assert.match(await up(), /\+-2 replaced/);
        assert.notEqual((await outputs())["certificatePem"], before);
        await ok("config", "set", "early", "20");
        assert.match(await up(), /~ 1 updated/);
        assert.match(await ok("preview", "--expect-no-changes"), /unchanged/);
    });

    it("fails an update whose command fails, with the command's output", async () => {
        await ok("config", "set", "fail", "yes");
        const { code, text } = await stack.pulumi("up", "--yes", "--skip-preview");
        assert.notEqual(code, 0);
        assert.match(text, /exit status 9: running "echo checked/);
        assert.match(text, /broken/);
        await ok("config", "rm", "fail");
        assert.match(await up(), /unchanged/);
    });

    it("destroys all of it", async () => {
        const said = await ok("destroy", "--yes", "--skip-preview");
        assert.match(said, new RegExp(`- ${resources} deleted`));
        const left = JSON.parse(await ok("stack", "export")) as {
            deployment: { resources?: unknown[] };
        };
        assert.equal(left.deployment.resources?.length ?? 0, 0);
    });
});
