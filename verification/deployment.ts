/**
 * Whether the declared machine runs, is healthy and takes clients, as Fly tells it: the last step of each `up`
 * and of `npm run verify`. A machine that is on its way, or that its restart policy is bringing back, has time
 * to arrive; everything else is a problem at once.
 */
import { checksOf, healthProblem } from "../providers/fly/machine/health.ts";
import type { FlyClient } from "../providers/fly/api/client.ts";
import { isGone } from "../providers/fly/api/errors.ts";
import { describeEvents } from "../providers/fly/machine/failure.ts";
import { findOthers, type Other } from "../providers/fly/others.ts";
import type { WireMachine, WireVolume } from "../providers/fly/api/types.ts";
import { deadlineIn, poll } from "../providers/fly/api/wait.ts";

/** The machine that the stack's state has. */
export interface Deployment {
    app: string;
    machineId: string;
    volumeId: string;
    /** The volume before, if this `up` has another. */
    formerVolumeId?: string | undefined;
    /** Its version; left out where any is right. */
    instanceId?: string | undefined;
}

/** How long a machine that is on its way is waited for; a read may lag behind for as long as `gone`. */
export const PATIENCE_S = { settles: 30, gone: 10 };

interface Problem {
    text: string;
    /** Whether it may end by itself. */
    passing: "settles" | "gone" | false;
}

/** @returns state, cause and the command that mends it; undefined where all is well */
export async function machineProblem(
    client: FlyClient,
    deployment: Deployment,
    patience = PATIENCE_S,
): Promise<string | undefined> {
    const started = performance.now();
    let problem: Problem | undefined;
    await poll(deadlineIn(patience.settles), async () => {
        problem = problemOf(deployment, await find(client, deployment));
        if (!problem?.passing) return true;
        const waitsUntil = started + patience[problem.passing] * 1000;
        return performance.now() >= waitsUntil ? true : undefined;
    });
    return problem?.text;
}

/** Machines that serve the same ports, and volumes of the same name. */
export async function othersThere(
    client: FlyClient,
    { app, ...own }: Deployment,
): Promise<Other[]> {
    const [machines, volumes] = await Promise.all([
        client.get<WireMachine[]>(["apps", app, "machines"]),
        client.get<WireVolume[]>(["apps", app, "volumes"]),
    ]);
    return findOthers(app, machines, volumes, own);
}

async function find(
    client: FlyClient,
    { app, machineId }: Deployment,
): Promise<WireMachine | undefined> {
    try {
        return await client.get<WireMachine>(["apps", app, "machines", machineId]);
    } catch (error) {
        if (isGone(error)) return undefined;
        throw error;
    }
}

/** From these it comes to run by itself. */
const ON_ITS_WAY = new Set(["created", "starting", "restarting", "updating", "replacing"]);

const GONE = new Set(["destroying", "destroyed", "replaced"]);

const REFRESH = "`pulumi up --refresh`";

function problemOf(
    { app, machineId, instanceId }: Deployment,
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
        const text = `${name} is on a host that Fly does not reach: wait, or see docs/host-gone.md`;
        return { text, passing: false };
    }
    if (instanceId && machine.instance_id && machine.instance_id !== instanceId) {
        const text = `${name} was changed by someone since the stack's last \`up\`: ${REFRESH} takes it back`;
        // ULIDs: an earlier one is a read that lags behind.
        return { text, passing: machine.instance_id < instanceId && "gone" };
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
        const text = `${name} is cordoned, so Fly leads no client to it: ${REFRESH} takes it back`;
        return { text, passing: false };
    }
    const missing = healthProblem(machine, checksOf(machine.config ?? {}).length);
    if (missing === undefined) return undefined;
    return { text: `${name} runs, but waits for ${missing}; ${log}`, passing: "settles" };
}

/** Stopped by its own end: the restart policy may be about to start it. */
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
