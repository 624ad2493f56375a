/** The certificates of a stack, made by the real engine from a program that makes nothing else. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../../toolchain/paths.ts";
import { scratchStack, type Said, type Stack } from "../../toolchain/support/stack.ts";

export const HOSTNAME = "broker.test";

export interface Issued {
    caPem: string;
    serverChainPem: string;
    serverKeyPem: string;
}

const PROGRAM = `
import * as pulumi from "@pulumi/pulumi";
import { Certificates } from "${path.join(ROOT, "components/certificates.ts")}";

const certificates = new Certificates("certificates", {
    hostname: "${HOSTNAME}",
    addresses: ["127.0.0.1"],
    hostnames: [],
    validDays: 365,
    renewDays: 30,
    ...new pulumi.Config().getObject<object>("certificates"),
} as never);
export const { caPem, serverChainPem, serverKeyPem } = certificates;
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

    /** Goes on with the project's own component. */
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

    /** Arguments of the component other than the program's own. */
    async configure(args: object): Promise<void> {
        await this.ok("config", "set", "certificates", JSON.stringify(args));
    }

    async up(): Promise<Issued> {
        await this.ok("up", "--yes", "--skip-preview");
        const outputs = await this.ok("stack", "output", "--json", "--show-secrets");
        return JSON.parse(outputs) as Issued;
    }

    remove(): void {
        this.#stack.remove();
    }
}
