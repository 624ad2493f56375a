/**
 * Machines and volumes beside the declared ones: a second broker takes part of the clients, and of two volumes
 * of one name only one has the data.
 */
import type { MachineConfig, WireMachine, WireVolume } from "./api/types.ts";
import { configOf, describeMachine, describeVolume, isReachable } from "./describe.ts";
import { isOutgoing } from "./volume/find.ts";

/** The machine and the volume that the stack's state has. */
export interface Own {
    readonly machineId: string;
    readonly volumeId: string;
    /** The volume before, which the present `up` may still delete. */
    readonly formerVolumeId?: string | undefined;
}

export interface Other {
    /** State, what is known of what it holds, and the commands that mend it. */
    readonly text: string;
    /**
     * `unreachable`: nothing can be done about it now. `elsewhere`: the volume before, or a free one in another
     * region, which the present `up` may be about to delete, or `retainVolume` keeps.
     */
    readonly kind: "here" | "elsewhere" | "unreachable";
}

/** @param volumes of the app, as the machines are */
export function findOthers(
    app: string,
    machines: readonly WireMachine[],
    volumes: readonly WireVolume[],
    own: Own,
): Other[] {
    const machine = machines.find(({ id }) => id === own.machineId);
    const volume = volumes.find(({ id }) => id === own.volumeId);
    const brokers = otherBrokers(machines, own.machineId, machine && configOf(machine));
    const namesakes = volumes.filter(
        (one) => one.id !== own.volumeId && one.name === volume?.name && !isOutgoing(one),
    );
    return [
        ...brokers.map((other) => ({
            kind: isReachable(other) ? ("here" as const) : ("unreachable" as const),
            text:
                `${describeMachine(other, volumes)} serves the same ports as ${own.machineId}, and takes part ` +
                `of the clients: end it with \`fly machine destroy ${other.id} -a ${app} --force\`, or go on ` +
                `with it (docs/host-gone.md)`,
        })),
        ...namesakes.map((other) => ({
            kind: !isReachable(other)
                ? ("unreachable" as const)
                : other.id === own.formerVolumeId ||
                    (other.region !== volume?.region && !other.attached_machine_id)
                  ? ("elsewhere" as const)
                  : ("here" as const),
            text:
                `${describeVolume(other)} is there beside ${own.volumeId}, which the broker uses: ` +
                `\`fly volumes destroy ${other.id} -a ${app}\` removes it, or go on with it (\`import.volume\`)`,
        })),
    ];
}

/** Those that serve one of the config's external ports; where there is no config, any. */
export function otherBrokers(
    machines: readonly WireMachine[],
    ownId: string | undefined,
    config: Partial<MachineConfig> | undefined,
): WireMachine[] {
    const ports = config && portsOf(config);
    return machines.filter(
        (one) =>
            one.id !== ownId &&
            !["destroying", "destroyed", "replaced"].includes(one.state) &&
            portsOf(configOf(one)).some((port) => ports?.includes(port) ?? true),
    );
}

function portsOf({ services }: Partial<MachineConfig>): number[] {
    return (services ?? []).flatMap(({ ports }) =>
        (ports ?? []).flatMap(({ port, start_port: first = 0, end_port: last = first }) =>
            port === undefined
                ? Array.from({ length: last - first + 1 }, (_, index) => first + index)
                : [port],
        ),
    );
}
