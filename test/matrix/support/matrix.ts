/** Every call of a run × everything that can happen to it: which cases run, how they end, the table. */
import assert from "node:assert/strict";
import { existsSync, readdirSync } from "node:fs";
import path from "node:path";
import { keepsSecrets } from "./invariants.ts";
import { MOMENTS, type CallName, type Moment } from "./proxy.ts";
import type { Ended, Stage } from "./stage.ts";

/** An operation on a stack, with a beginning and an end. */
export interface Phase {
    readonly name: string;
    /** Brings the stack to where the phase begins. @param broken whether the last case left it broken */
    prepare(broken: boolean): Promise<void>;
    run(): Promise<Ended>;
    /** @throws if something is orphaned, duplicated, or not as declared */
    check(): Promise<void>;
}

/** A phase that meets a fault. */
export interface Trial extends Phase {
    /** @returns how the run ended, or undefined if the call was not made */
    runInto(one: Case): Promise<Ended | undefined>;
    /** Checks what that run left. @throws if it contains a secret */
    left(): void;
}

export interface Case {
    readonly call: CallName;
    /** Name of a moment or a fault: a column of the table. */
    readonly what: string;
    /** May have been done at Fly without being known here; these are sampled first. */
    readonly risky?: boolean;
    readonly slow?: boolean;
}

export interface CrashPhase extends Phase {
    /** @param at where it is killed, if at all */
    run(at?: { call: CallName; moment: Moment }): Promise<Ended>;
}

/** Kills the run. */
export async function crashMatrix(stage: Stage, phase: CrashPhase): Promise<void> {
    const trial: Trial = {
        ...phase,
        async runInto({ call, what }) {
            const ended = await phase.run({ call, moment: what as Moment });
            if (ended.code === null) {
                if (isLocked(stage)) await stage.cancel();
                return ended;
            }
            // Nothing happened to the run, so a failure has no excuse.
            assert.equal(ended.code, 0, ended.output);
            return undefined;
        },
        left() {
            stage.stateLeft = stage.stateText();
            stage.leftAt = Date.now();
            keepsSecrets(stage, []);
        },
    };
    await runMatrix([trial], (call) =>
        MOMENTS.map((what) => {
            const risky = what === "applied" && !call.startsWith("GET");
            return { call, what, risky };
        }),
    );
}

/** The sample's share of the cases that are not risky, and of the slow ones. */
const SAMPLED = 9;
const SLOW_SAMPLED = 40;

/** `core` in `npm test`, which sets it; otherwise a sample. */
const SCOPE = process.env.APPKATA_SCOPE === "core" ? "core" : "sample";

/**
 * Chooses the cases that `APPKATA_CASES` asks for: `all`; `sample`: the risky ones, and an even share of the
 * rest;
 * `core`: one of each kind, at calls across the run; or one, as `POST /v1/apps #1 applied`.
 */
function chosen(all: readonly Case[]): Case[] {
    const wanted = process.env.APPKATA_CASES ?? SCOPE;
    if (wanted === "all") return [...all];
    if (wanted === "core") {
        const kinds = [...new Set(all.map(({ what }) => what))];
        return kinds.map((kind, at) => {
            const of = all.filter(({ what }) => what === kind);
            return of[Math.floor(((at + 0.5) / kinds.length) * of.length)]!;
        });
    }
    if (wanted !== "sample") return all.filter(({ call, what }) => `${call} ${what}` === wanted);
    const rest = all.filter(({ risky, slow }) => !risky && !slow);
    const slow = all.filter((one) => one.slow === true);
    const sample = new Set([
        ...rest.filter((_, at) => at % SAMPLED === 3),
        ...slow.filter((_, at) => at % SLOW_SAMPLED === 20),
    ]);
    return all.filter((one) => one.risky === true || sample.has(one));
}

/** How the run with the fault ended, and the one after it. */
type Outcome = "succeeded" | "converged" | "not reached" | "broken";

interface Result {
    readonly call: CallName;
    readonly what: string;
    readonly outcome: Outcome;
    readonly why?: string;
}

/**
 * Runs the cases in sequence in each of the trials, which are alike.
 * @throws with the failed cases
 */
export async function runMatrix(
    trials: readonly Trial[],
    casesOf: (call: CallName) => Case[],
): Promise<void> {
    const [first] = trials;
    assert.ok(first);
    await first.prepare(true);
    const clean = await first.run();
    assert.equal(clean.code, 0, clean.output);
    await first.check();
    const cases = chosen(clean.calls.flatMap(casesOf));
    const results: Result[] = [];
    const work = async (trial: Trial) => {
        let broken = trial !== first;
        for (let one = cases.shift(); one; one = cases.shift()) {
            const begun = Date.now();
            const result = await runCase(trial, one, broken);
            results.push(result);
            broken = result.outcome === "broken";
            const seconds = ((Date.now() - begun) / 1000).toFixed(0);
            if (process.env.APPKATA_CASES !== undefined || broken) {
                const line = `${trial.name}: ${one.call} ${one.what}: ${result.outcome}`;
                console.log(`      ${line} (${seconds} s)`);
            }
            if (result.why) console.log(result.why);
        }
    };
    await Promise.all(trials.map(work));
    console.log(table(first.name, results));
    const broken = results.filter(({ outcome }) => outcome === "broken");
    assert.deepEqual(
        broken.map(({ call, what, why }) => `${call} ${what}: ${why ?? ""}`),
        [],
    );
    const reached = results.filter(({ outcome }) => outcome !== "not reached");
    assert.ok(reached.length > 0, "no case was reached");
}

async function runCase(trial: Trial, one: Case, broken: boolean): Promise<Result> {
    const { call, what } = one;
    try {
        await trial.prepare(broken);
        const ended = await trial.runInto(one);
        trial.left();
        if (ended?.code === 0 || ended === undefined) {
            await trial.check();
            return { call, what, outcome: ended ? "succeeded" : "not reached" };
        }
        const again = await trial.run();
        assert.equal(again.code, 0, again.output);
        await trial.check();
        return { call, what, outcome: "converged" };
    } catch (error) {
        return { call, what, outcome: "broken", why: (error as Error).message };
    }
}

function isLocked(stage: Stage): boolean {
    const locks = path.join(stage.project.dir, ".local/pulumi/.pulumi/locks");
    return (
        existsSync(locks) &&
        readdirSync(locks, { recursive: true }).some((name) => String(name).endsWith(".json"))
    );
}

function table(phase: string, results: readonly Result[]): string {
    const whats = [...new Set(results.map(({ what }) => what))];
    const lines = whats.map((what) => {
        const of = results.filter((result) => result.what === what);
        const count = (outcome: Outcome) => of.filter((one) => one.outcome === outcome).length;
        const cells = (["succeeded", "converged", "not reached", "broken"] as const)
            .filter((outcome) => outcome !== "succeeded" || count(outcome) > 0)
            .map((outcome) => `${count(outcome)} ${outcome}`);
        const reruns = count("converged");
        const cases = of.length - count("not reached");
        return `${phase.padEnd(9)} ${what.padEnd(22)} ${cases} cases, ${cells.join(", ")}, ${reruns} reruns`;
    });
    return lines.map((line) => `      ${line}`).join("\n");
}
