/** A stack's certificates, created by the real engine and a program that creates nothing else. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import type { Expiry } from "../../../config/outputs.ts";
import { ROOT } from "../../../lib/paths.ts";
import { scratchStack, type Said, type Stack } from "../../toolchain/support/stack.ts";

export const HOSTNAME = "broker.test";

export interface Issued {
    caPem: string;
    serverChainPem: string;
    serverKeyPem: string;
    expiry: Expiry;
}

const PROGRAM = `
import * as pulumi from "@pulumi/pulumi";
import { readDeployed } from "${path.join(ROOT, "config/deployed.ts")}";
import { Certificates } from "${path.join(ROOT, "components/certificates.ts")}";
import { namesOfProgram } from "${path.join(ROOT, "components/namesOfProgram.ts")}";

const parent = new pulumi.ComponentResource("appkata-mqtt:index:MosquittoBroker", "mosquitto", {}, {
    transformations: [namesOfProgram],
});
const certificates = new Certificates("mosquitto:certificates", {
    commonName: "scratch dev CA",
    hostname: "${HOSTNAME}",
    addresses: ["127.0.0.1"],
    hostnames: [],
    validDays: 365,
    renewDays: 30,
    deployed: await readDeployed({ broker: "mosquitto", ownsStack: true }),
    ...new pulumi.Config().getObject<object>("certificates"),
} as never, { parent });
export const { caPem, serverChainPem, serverKeyPem, expiry } = certificates;
`;

export class IssuingStack {
    readonly #stack: Stack;

    private constructor(stack: Stack) {
        this.#stack = stack;
    }

    /** @param program another program to begin with */
    static async make(program = PROGRAM): Promise<IssuingStack> {
        const made = new IssuingStack(scratchStack({ "index.ts": program }));
        await made.ok("stack", "init", "dev");
        return made;
    }

    /** Continues with the project's own component. */
    useComponent(): void {
        writeFileSync(path.join(this.#stack.folder, "index.ts"), PROGRAM);
    }

    pulumi(...args: string[]): Promise<Said> {
        return this.#stack.pulumi(...args);
    }

    async ok(...args: string[]): Promise<string> {
        const { code, text } = await this.#stack.pulumi(...args);
        assert.equal(code, 0, text);
        return text;
    }

    /** Arguments of the component besides the program's own. */
    async configure(args: object): Promise<void> {
        await this.ok("config", "set", "certificates", JSON.stringify(args));
    }

    async up(): Promise<Issued> {
        await this.ok("up", "--yes", "--skip-preview");
        const outputs = await this.ok("stack", "output", "--json", "--show-secrets");
        return JSON.parse(outputs) as Issued;
    }

    /** Changes the state so that a certificate expires at this time. */
    async endCertificate(name: string, end: Date): Promise<void> {
        const state = JSON.parse(await this.ok("stack", "export")) as {
            deployment: { resources: { urn: string; outputs?: Record<string, unknown> }[] };
        };
        const found = state.deployment.resources.filter(
            ({ urn, outputs }) => urn.endsWith(`:${name}`) && outputs?.["validityEndTime"],
        );
        assert.equal(found.length, 1);
        found[0]!.outputs!["validityEndTime"] = end.toISOString();
        const file = path.join(this.#stack.folder, "state.json");
        writeFileSync(file, JSON.stringify(state));
        await this.ok("stack", "import", "--file", file);
    }

    remove(): void {
        this.#stack.remove();
    }
}
