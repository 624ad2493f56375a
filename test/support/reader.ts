/** The shell of someone who follows the pages: with `pulumi`, with `fly`, and with their own values for what the pages leave open. */
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../../lib/paths.ts";
import { reasonNotToRun, type PageCommand } from "./pages.ts";
import type { Project, Run } from "../../dev/harness/project.ts";

/** Text of a page → what the reader types instead. */
export type Values = Readonly<Record<string, string>>;

export class Reader {
    readonly #project: Project;
    readonly #bin: string;
    readonly #env: NodeJS.ProcessEnv;
    readonly #typed = new Set<string>();

    /** @param env what the reader has exported */
    constructor(project: Project, env: NodeJS.ProcessEnv) {
        this.#project = project;
        this.#bin = path.join(project.dir, ".local", "bin");
        this.#env = { PULUMI_SKIP_CONFIRMATIONS: "true", ...env };
        mkdirSync(this.#bin, { recursive: true });
        this.provide("fly", `exec node ${path.join(ROOT, "test/support/flyctl.ts")} "$@"`);
    }

    /** Puts a program on the PATH. */
    provide(name: string, script: string): void {
        const file = path.join(this.#bin, name);
        writeFileSync(file, `#!/bin/sh\n${script}\n`);
        chmodSync(file, 0o755);
    }

    /** Sets a variable of the reader's environment. */
    export(name: string, value: string): void {
        this.#env[name] = value;
    }

    /** Types a command of a page. @throws with its output when it fails */
    async type({ text }: PageCommand, values: Values = {}, before = ""): Promise<Run> {
        // The longest first: NEW_VOLUME before VOLUME.
        const entries = Object.entries(values).toSorted(([a], [b]) => b.length - a.length);
        const typed = entries.reduce(
            (all, [placeholder, value]) => all.replaceAll(placeholder, value),
            text,
        );
        this.#typed.add(text);
        const PATH = [this.#bin, this.#env.PATH ?? process.env.PATH].join(path.delimiter);
        const run = await this.#project.shell(["bash", "-ec", `${before}\n${typed}`], {
            ...this.#env,
            PATH,
        });
        assert.equal(run.code, 0, `${typed}\n${run.output}`);
        return run;
    }

    /** @throws AssertionError that names commands of a page that were not typed, except those that no test runs */
    assertTyped(commands: readonly PageCommand[]): void {
        const left = commands.filter((one) => reasonNotToRun(one) === undefined);
        assert.deepEqual(
            left.map(({ text }) => text).filter((text) => !this.#typed.has(text)),
            [],
        );
    }
}
