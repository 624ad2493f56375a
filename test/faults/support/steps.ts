/** Steps that can happen to a small stack. */
import fc from "fast-check";
import { FAULTS } from "../../matrix/support/faults.ts";
import { byHand, DRIFTS, growVolume, type Drift } from "./drifts.ts";
import { meet, type MetRun } from "./meet.ts";
import { RESOURCES } from "./smallProgram.ts";
import type { ProgramRun } from "../../../dev/harness/programStack.ts";
import type { SmallSettings, SmallStack } from "./smallStack.ts";

/** From the run's `nth` request of this kind on, requests meet the fault of this name. */
interface Met {
    readonly call: string;
    readonly nth: number;
    /** Number of such requests in a row; with enough of them, the client gives up. */
    readonly times: number;
    readonly fault: string;
}

type Run = "up" | "up --refresh" | "up --replace" | "refresh" | "destroy";

type Resource = keyof typeof RESOURCES;

export type Step =
    /** Grows the volume by one GB; if that was done by hand, the settings follow. */
    | { readonly do: "grow"; readonly byHand: boolean }
    | {
          readonly do: Run;
          readonly change?: Partial<SmallSettings>;
          readonly met?: Met;
          /** Resource for `up --replace`. */
          readonly target?: Resource;
      }
    /** Taints a resource, so that the next `up` replaces it. */
    | { readonly do: "taint"; readonly target: Resource }
    /** Deletes a resource and its dependents from the state. */
    | { readonly do: "lose"; readonly target: Resource }
    /** Renames a resource, or gives it back its first name. */
    | { readonly do: "rename in code"; readonly target: Resource; readonly aliased: boolean }
    /** Renames the stack. */
    | { readonly do: "rename" }
    /** A manual change at Fly. */
    | { readonly do: "drift"; readonly what: Drift };

/** Requests of any kind, and kinds that are rare in a run. */
const CALLS: Record<"up" | "refresh" | "destroy", string[]> = {
    up: [
        "GET /v1/**",
        "POST /v1/**",
        "POST /v1/apps",
        "POST /v1/apps/:app/ip_assignments",
        "POST /v1/apps/:app/volumes",
        "PUT /v1/apps/:app/volumes/:volume/extend",
        "POST /v1/apps/:app/secrets",
        "POST /v1/apps/:app/machines",
        "GET /v1/apps/:app/machines/:machine",
        "POST /v1/apps/:app/machines/:machine",
        "GET /v1/apps/:app/machines/:machine/wait",
        "POST /v1/apps/:app/machines/:machine/lease",
        "DELETE /v1/apps/:app/machines/:machine/lease",
    ],
    refresh: ["GET /v1/**"],
    destroy: [
        "GET /v1/**",
        "DELETE /v1/**",
        "POST /v1/apps/:app/machines/:machine/stop",
        "POST /v1/apps/:app/secrets",
        "DELETE /v1/apps/:app",
        "DELETE /v1/apps/:app/machines/:machine",
        "DELETE /v1/apps/:app/volumes/:volume",
    ],
};

const change: fc.Arbitrary<Partial<SmallSettings>> = fc.oneof(
    fc.record({ memoryMb: fc.constantFrom(256, 512) }),
    fc.record({ secret: fc.constantFrom("second-secret", "third-secret") }),
    fc.record({ ipv4: fc.boolean() }),
    fc.record({ port: fc.constantFrom(1883, 8883) }),
);

function met(calls: readonly string[]): fc.Arbitrary<Met> {
    return fc.constantFrom(...calls).chain((call) => {
        const faults = FAULTS.filter(({ slow, hits }) => slow !== true && hits(call));
        return fc.record({
            call: fc.constant(call),
            nth: fc.integer({ min: 1, max: call.endsWith("**") ? 6 : 2 }),
            times: fc.constantFrom(1, 5),
            fault: fc.constantFrom(...faults.map(({ name }) => name)),
        });
    });
}

const resource = fc.constantFrom(...(Object.keys(RESOURCES) as Resource[]));

/** Mostly with something to do, and a fault in its way. */
function runs(kind: Run): fc.Arbitrary<Step> {
    const calls = CALLS[kind === "refresh" || kind === "destroy" ? kind : "up"];
    const parts = {
        do: fc.constant(kind),
        change,
        met: met(calls),
        ...(kind === "up --replace" && { target: resource }),
    };
    const requiredKeys: "do"[] = ["do", ...(kind === "up --replace" ? ["target" as "do"] : [])];
    return fc.oneof(
        { weight: 1, arbitrary: fc.record(parts, { requiredKeys }) },
        { weight: 2, arbitrary: fc.record(parts) },
    );
}

const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 3, arbitrary: runs("up") },
    { weight: 1, arbitrary: runs("up --refresh") },
    { weight: 1, arbitrary: runs("up --replace") },
    {
        weight: 1,
        arbitrary: fc.record({ do: fc.constant("taint" as const), target: resource }),
    },
    // An app without a machine has no proven owner at Fly, and an up asks for the owner's consent.
    {
        weight: 1,
        arbitrary: fc.record({
            do: fc.constant("lose" as const),
            target: resource.filter((one) => one !== "app"),
        }),
    },
    {
        weight: 1,
        arbitrary: fc.record({
            do: fc.constant("rename in code" as const),
            target: resource,
            aliased: fc.boolean(),
        }),
    },
    { weight: 1, arbitrary: fc.constant({ do: "rename" as const }) },
    { weight: 1, arbitrary: runs("refresh") },
    { weight: 1, arbitrary: runs("destroy") },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("grow" as const), byHand: fc.boolean() }) },
    {
        weight: 3,
        arbitrary: fc.record({
            do: fc.constant("drift" as const),
            what: fc.constantFrom(...(Object.keys(DRIFTS) as Drift[])),
        }),
    },
);

/** Mostly something exists from the first step on. */
export const SEQUENCES: fc.Arbitrary<Step[]> = fc
    .tuple(runs("up"), fc.array(step, { minLength: 2, maxLength: 5 }))
    .map(([first, rest]) => [first, ...rest]);

/** @returns the run's result, if the step is a run */
export async function take(stack: SmallStack, step: Step): Promise<MetRun | undefined> {
    switch (step.do) {
        case "grow":
            stack.configure({ volumeSizeGb: stack.settings.volumeSizeGb + 1 });
            if (step.byHand) await byHand(stack, growVolume);
            return undefined;
        case "drift":
            await byHand(stack, DRIFTS[step.what]);
            return undefined;
        case "taint":
            // Fails if there is no such resource.
            await stack.run("state", "taint", stack.urn(step.target), "--yes");
            return undefined;
        case "lose": {
            const urn = stack.urn(step.target);
            await stack.run("state", "delete", urn, "--target-dependents", "--yes");
            return undefined;
        }
        case "rename in code":
            stack.renameInCode(step.target, step.aliased);
            return undefined;
        case "rename":
            await stack.renameStack();
            return undefined;
        case "up":
        case "up --refresh":
        case "up --replace":
        case "refresh":
        case "destroy":
            stack.configure(step.change ?? {});
            return await meeting(stack, step.met, () => runOf(stack, step.do, step.target));
    }
}

function runOf(stack: SmallStack, kind: Run, target?: Resource): Promise<ProgramRun> {
    if (kind === "up --replace") return stack.up("--replace", stack.urn(target!));
    if (kind === "refresh") return stack.refresh();
    if (kind === "destroy") return stack.destroy();
    return stack.up(...(kind === "up" ? [] : ["--refresh"]));
}

async function meeting(
    stack: SmallStack,
    met: Met | undefined,
    work: () => Promise<ProgramRun>,
): Promise<MetRun> {
    if (!met) return { ...(await work()), met: false };
    const fault = FAULTS.find(({ name }) => name === met.fault)!;
    return await meet(stack, met.call, met.nth, { ...fault, times: met.times }, work);
}
