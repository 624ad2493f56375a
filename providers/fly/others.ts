/**
 * Finds machines and volumes beside the declared ones: a second broker receives part of the clients, and of
 * two volumes with one name only one has the data.
 */
import type { MachineConfig, WireMachine, WireVolume } from "./api/types.ts";
import { configOf, describeMachine, describeVolume, isReachable } from "./describe.ts";
import { isOutgoing } from "./volume/find.ts";

/** Machine and volume in the stack's state. */
export interface Own {
    readonly machineId: string;
    readonly volumeId: string;
    /** Volume of the previous `up`, which this one may still delete. */
    readonly formerVolumeId?: string | undefined;
}

export interface Other {
    /** Description, with the commands that resolve it. */
    readonly text: string;
    /**
     * `here` conflicts with the broker. `elsewhere` is the previous volume, or an unattached one in another region,
     * which this `up` may be about to delete or `retainVolume` keeps. `unreachable` cannot be removed now.
     */
    readonly kind: "here" | "elsewhere" | "unreachable";
}

/** Lists other brokers on the same ports, and other volumes with the same name. */
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
                `${describeMachine(other, volumes)} serves the same ports as ${own.machineId}, and receives part ` +
                `of the clients: remove it with \`fly machine destroy ${other.id} -a ${app} --force\`, or continue ` +
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
                `${describeVolume(other)} has the same name as ${own.volumeId}, which the broker uses: ` +
                `\`fly volumes destroy ${other.id} -a ${app}\` removes it, or continue with it (\`import.volume\`)`,
        })),
    ];
}

/** Lists machines that serve one of the config's external ports; without a config, any port. */
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
