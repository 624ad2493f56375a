/** Making a machine, or finding the one that an earlier run made. */
import type { FlyClient } from "../api/client.ts";
import { FlyError, isAmbiguous } from "../api/errors.ts";
import { effectiveConfig, LAUNCH_DEADLINE_MS, leastSecrets, type MachineTarget } from "./config.ts";
import { convergeMachine } from "./converge.ts";
import { waitUntilHealthyOrTell } from "../api/logs.ts";
import { getMachine } from "./power.ts";
import { describeOwner, IMPORTED_BEFORE, importCommand, isOwnedBy } from "../ownership.ts";
import { configOf, describeMachine, isReachable } from "../describe.ts";
import { otherBrokers } from "../others.ts";
import type { MachineConfig, WireMachine, WireVolume } from "../api/types.ts";
import { poll, Progress, type Deadline } from "../api/wait.ts";

/**
 * A leftover of the same name and owner is brought to the wanted state; another's is refused.
 * @param onKnown told as soon as there is a machine that belongs into the state
 */
export async function createMachine(
    client: FlyClient,
    inputs: MachineTarget,
    deadline: Deadline,
    onKnown: (machine: WireMachine) => void,
): Promise<WireMachine> {
    const config = effectiveConfig(inputs);
    const known =
        inputs.importId === undefined
            ? await findOrLaunch(client, inputs, deadline)
            : { machine: await importable(client, inputs, inputs.importId), launched: false };
    onKnown(known.machine);
    if (!known.launched) {
        return await convergeMachine(client, inputs, known.machine, deadline);
    }
    const { id, instance_id: instanceId } = known.machine;
    const ref = { app: inputs.app, id, instanceId, fresh: true };
    return await waitUntilHealthyOrTell(client, inputs, ref, config, deadline);
}

/** @throws when it is not there, or is not what the program says and cannot become it */
async function importable(
    client: FlyClient,
    inputs: MachineTarget,
    id: string,
): Promise<WireMachine> {
    const found = await getMachine(client, inputs.app, id);
    if (!found) {
        throw new Error(
            `Cannot import machine ${id}: it is not in app "${inputs.app}".\n` + IMPORTED_BEFORE,
        );
    }
    if (!found.config) {
        throw new Error(`Machine ${id} cannot be imported now: Fly does not reach its host.`);
    }
    const volumes = (config: MachineConfig | null | undefined) =>
        (config?.mounts ?? []).map(({ volume }) => volume).join(", ") || "no volume";
    const [has, wants] = [volumes(found.config), volumes(inputs.config)];
    const problems = [
        found.name !== inputs.name && `its name is "${found.name}", not "${inputs.name}"`,
        found.region !== inputs.region && `it is in region ${found.region}, not ${inputs.region}`,
        has !== wants && `it has ${has}, not ${wants}`,
    ].filter((problem) => problem !== false);
    if (problems.length > 0) {
        throw new Error(
            `Machine ${id} cannot be imported as it is declared: ${problems.join("; ")}.\n` +
                "  Declare it as it is, and import its volume too; or destroy it, and one is made: " +
                `\`fly machine destroy ${id} -a ${inputs.app} --force\`\n${IMPORTED_BEFORE}`,
        );
    }
    return found;
}

interface Known {
    readonly machine: WireMachine;
    /** By this very run, and so with the wanted config. */
    readonly launched: boolean;
}

async function findOrLaunch(
    client: FlyClient,
    inputs: MachineTarget,
    deadline: Deadline,
): Promise<Known> {
    const progress = new Progress(`machine "${inputs.name}"`);
    let failure: unknown;
    const known = await poll<Known>(deadline, async () => {
        const machines = await client.get<WireMachine[]>(["apps", inputs.app, "machines"]);
        const found = machines.find(
            ({ name, state }) => name === inputs.name && state !== "destroyed",
        );
        if (found?.state === "destroying" && isReachable(found)) {
            failure = new Error(`Machine ${found.id} is still being destroyed.`);
            progress.say("waiting until its predecessor is destroyed");
            return undefined;
        }
        if (found && found.state !== "destroying") {
            return { machine: ours(inputs, found), launched: false };
        }
        await refuseSecondBroker(client, inputs, machines);
        try {
            return { machine: await launch(client, inputs), launched: true };
        } catch (error) {
            if (!isAmbiguous(error) && !isPassing(error)) {
                throw error;
            }
            failure = error;
            progress.say(`trying again (${error.text})`);
            return undefined;
        }
    }, [1000, 2000, 3000, 5000]);
    if (!known) {
        throw failure;
    }
    return known;
}

/** One that someone put in place of ours, for example, after its host was gone. */
async function refuseSecondBroker(
    client: FlyClient,
    { app, config, owner, name }: MachineTarget,
    machines: readonly WireMachine[],
): Promise<void> {
    const others = otherBrokers(machines, undefined, config).filter(isReachable);
    const [first] = others;
    if (!first) {
        return;
    }
    const volumes = await client.get<WireVolume[]>(["apps", app, "volumes"]);
    const [volume] = configOf(first).mounts ?? [];
    const setting = (key: "machine" | "volume", id: string) => importCommand(owner, key, id);
    throw new Error(
        `App "${app}" already has what serves the same ports: ` +
            `${others.map((other) => describeMachine(other, volumes)).join("; ")}.\n` +
            `  A second machine "${name}" would take part of its clients. Go on with ${first.id}: ` +
            `\`${setting("machine", first.id)}\`${volume ? `, \`${setting("volume", volume.volume)}\`` : ""}, ` +
            `and \`machineName\` "${first.name ?? ""}"; or, if nobody needs it, remove it: ` +
            `\`fly machine destroy ${first.id} -a ${app} --force\``,
    );
}

function ours(inputs: MachineTarget, found: WireMachine): WireMachine {
    if (!isOwnedBy(inputs.owner, found.config)) {
        throw new Error(
            `App "${inputs.app}" already has a machine "${inputs.name}" (${found.id}), ` +
                `which belongs to ${describeOwner(found.config)}.\n` +
                `  Choose another app name; or take the machine over: \`${importCommand(inputs.owner, "machine", found.id)}\`; ` +
                "or, if nobody needs it, remove it: " +
                `\`fly machine destroy ${found.id} -a ${inputs.app} --force\``,
        );
    }
    if (found.region !== undefined && found.region !== inputs.region) {
        throw new Error(
            `Machine ${found.id} "${inputs.name}" is in region ${found.region}, not ${inputs.region}, ` +
                "and cannot be moved.\n" +
                `  Remove it: \`fly machine destroy ${found.id} -a ${inputs.app} --force\``,
        );
    }
    return found;
}

async function launch(client: FlyClient, inputs: MachineTarget): Promise<WireMachine> {
    return await client.post<WireMachine>(["apps", inputs.app, "machines"], {
        deadlineMs: LAUNCH_DEADLINE_MS,
        body: {
            name: inputs.name,
            region: inputs.region,
            config: effectiveConfig(inputs),
            ...leastSecrets(inputs),
        },
    });
}

/**
 * Refusals that end by themselves: the name's machine is found on the next look; a volume stays
 * claimed for up to three minutes after its machine is gone; a host was full for the moment.
 */
function isPassing(error: unknown): error is FlyError {
    if (!(error instanceof FlyError)) {
        return false;
    }
    switch (error.status) {
        case 409:
            return /already exists|^aborted:/i.test(error.text);
        case 412:
            return /already claimed|currently bound/i.test(error.text);
        case 422:
            return /unique machine name/i.test(error.text);
        default:
            return false;
    }
}
