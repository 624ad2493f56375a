/**
 * Asks Fly whether the declared machine runs, is healthy and takes clients: the last step of each `up`
 * and the first of `npm run verify`. A machine that is starting, or that its restart policy is bringing
 * back, gets time to arrive; anything else is a problem at once.
 */
import type { FlyClient } from "../providers/fly/api/client.ts";
import { configDifferences } from "../providers/fly/machine/configDiff.ts";
import { isGone } from "../providers/fly/api/errors.ts";
import { checksOf, healthProblem } from "../providers/fly/machine/health.ts";
import { describeEvents } from "../providers/fly/machine/failure.ts";
import { findOthers, type Other } from "../providers/fly/others.ts";
import type { MachineConfig, WireMachine, WireVolume } from "../providers/fly/api/types.ts";
import { deadlineIn, poll } from "../providers/fly/api/wait.ts";

/** The machine that the stack's state names. */
export interface Deployment {
    app: string;
    machineId: string;
    volumeId: string;
    /** The previous volume, if this `up` replaced it. */
    formerVolumeId?: string | undefined;
    /** Version of the machine; omitted if any version is right. */
    instanceId?: string | undefined;
    /** The declared config: another version of the machine that has it is right too. */
    config?: MachineConfig | undefined;
}

/** Seconds to wait for a machine that is starting (`settles`), and for a read that may be stale (`gone`). */
const PATIENCE_S = { settles: 30, gone: 10 };

interface Problem {
    text: string;
    /** How long to wait for the problem to pass by itself, as a key of the patience. */
    passing: "settles" | "gone" | false;
}

export interface Inspection {
    /** What is wrong with the declared machine: its state, the cause and the command that mends it. */
    problem?: string;
    /** Machines that serve the same ports, and volumes with the same name; empty if there is a problem. */
    others: Other[];
}

/** Inspects the app as a whole, with two requests if all is well. */
export async function inspect(
    client: FlyClient,
    deployment: Deployment,
    patience = PATIENCE_S,
): Promise<Inspection> {
    const { app, ...own } = deployment;
    const started = performance.now();
    let machines: WireMachine[] = [];
    let problem: Problem | undefined;
    await poll(deadlineIn(patience.settles), async () => {
        machines = await list<WireMachine>(client, app, "machines");
        const machine = machines.find(({ id }) => id === own.machineId);
        problem = problemOf(deployment, machine);
        if (!problem?.passing) return true;
        const waitsUntil = started + patience[problem.passing] * 1000;
        return performance.now() >= waitsUntil ? true : undefined;
    });
    if (problem) return { problem: problem.text, others: [] };
    const volumes = await list<WireVolume>(client, app, "volumes");
    return { others: findOthers(app, machines, volumes, own) };
}

/** Lists an app's machines or volumes; an app that is gone has none. */
async function list<T>(client: FlyClient, app: string, what: string): Promise<T[]> {
    try {
        return await client.get<T[]>(["apps", app, what]);
    } catch (error) {
        if (isGone(error)) return [];
        throw error;
    }
}

/** States from which a machine comes to run by itself. */
const ON_ITS_WAY = new Set(["created", "starting", "restarting", "updating", "replacing"]);

const GONE = new Set(["destroying", "destroyed", "replaced"]);

const REFRESH = "`pulumi up --refresh`";

function problemOf(
    { app, machineId, instanceId, config }: Deployment,
    machine: WireMachine | undefined,
): Problem | undefined {
    const name = `machine ${machineId} of app "${app}"`;
    if (!machine || GONE.has(machine.state)) {
        const text = `${name} is gone: ${REFRESH} makes it anew, on its volume`;
        return { text, passing: machine ? false : "gone" };
    }
    const events = describeEvents(machine.events ?? []);
    const cause = events ? ` (its last events: ${events})` : "";
    const log = `\`fly logs -a ${app} -i ${machineId}\` has its log`;
    if (machine.host_status === "unreachable") {
        const text = `${name} is on a host that Fly cannot reach: wait, or see docs/host-gone.md`;
        return { text, passing: false };
    }
    if (instanceId && machine.instance_id && machine.instance_id !== instanceId) {
        const changed = changedPaths(config, machine);
        const what = changed.length > 0 ? ` (${changed.join(", ")})` : "";
        const text = `${name} was changed by someone since the stack's last \`up\`${what}: ${REFRESH} reverts it`;
        // Versions are ULIDs, so an earlier one means a stale read.
        if (machine.instance_id < instanceId) return { text, passing: "gone" };
        if (changed.length > 0 || !config) return { text, passing: false };
    }
    if (ON_ITS_WAY.has(machine.state) || crashed(machine)) {
        const text = `${name} is "${machine.state}"${cause} and does not come to run; ${log}`;
        return { text, passing: "settles" };
    }
    if (machine.state !== "started") {
        return {
            text: `${name} is "${machine.state}"${cause}: ${REFRESH} starts it`,
            passing: false,
        };
    }
    if (machine.cordoned) {
        const text = `${name} is cordoned, so Fly routes no client to it: ${REFRESH} uncordons it`;
        return { text, passing: false };
    }
    const missing = healthProblem(machine, checksOf(machine.config ?? {}).length);
    if (missing === undefined) return undefined;
    // The image's health check (broker-answer) reports it.
    const full = missing.includes("the volume is full");
    return {
        text: `${name} runs, but waits for ${missing}; ${log}`,
        passing: full ? false : "settles",
    };
}

/** Paths in which a machine differs from its declaration. Metadata do not affect what runs. */
function changedPaths(declared: MachineConfig | undefined, { config }: WireMachine): string[] {
    if (!declared || !config) return [];
    return configDifferences(declared, config).filter((path) => !path.startsWith("metadata"));
}

/**
 * Whether the machine stopped because its process ended, so that the restart policy may be about to
 * start it.
 */
function crashed({ state, config, events }: WireMachine): boolean {
    const exit = (events ?? [])
        .filter(({ type }) => type === "exit")
        .toSorted((a, b) => (b.timestamp ?? 0) - (a.timestamp ?? 0))[0]?.request?.exit_event;
    return (
        state === "stopped" &&
        exit !== undefined &&
        exit.requested_stop !== true &&
        config?.restart?.policy !== "no"
    );
}
