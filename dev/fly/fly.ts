import type { Faults } from "./faults.ts";
import type { Journal } from "./journal.ts";
import type { RateLimits } from "./limits.ts";
import type { Replicas } from "./replicas.ts";
import type { Containers } from "./runtime/containers.ts";
import type { Edge } from "./runtime/edge.ts";
import type { Images } from "./runtime/images.ts";
import type { Logs } from "./runtime/logs.ts";
import type { Machines } from "./runtime/machines.ts";
import type { VolumeStore } from "./runtime/volumes.ts";
import type { Settings } from "./settings.ts";
import type { Store } from "./state.ts";

/** Parts of a running instance, as the API's routes use them. */
export interface Fly {
    store: Store;
    settings: Settings;
    faults: Faults;
    limits: RateLimits;
    replicas: Replicas;
    journal: Journal;
    machines: Machines;
    containers: Containers;
    images: Images;
    logs: Logs;
    volumes: VolumeStore;
    edge: Edge;
    /** ID that tells this instance's addresses, containers and volumes from another's. */
    instance: string;
}
