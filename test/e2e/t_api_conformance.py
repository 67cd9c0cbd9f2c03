# SPDX-License-Identifier: GPL-2.0-or-later
"""A part of the tests of what Services do, with their objects in an API server."""

from harness import again_over_api

CHOSEN = (
    # Ports, protocols, kinds of addresses, and what is refused or dropped.
    "T2_*", "nodeport_tcp_v6_from_external_*", "clusterip_udp_v4_from_node_*",
    # Zones and hints; the own Node.
    "T16_*",
    # Changes of all kinds of objects.
    "T3_ranges_are_followed_*", "T5_T6_the_policy_is_followed", "T7_internal_policy_*_followed",
    "T8_T9_a_service_with_external_policy_Local_*", "BUG_1_6_*", "BUG_1_9_*", "BUG_1_4_*",
    "two_services_share_an_external_ip_*", "BUG_2.11_of_two_services_at_one_external_ip_the_*",
    # What stays when the daemon goes and comes.
    "affinity_survives_a_restart_*_SIGKILL", "connections_outlive_their_own_endpoints_removal_*",
    "connections_outlive_a_restart_*",
    # What no list foresees.
    "random_events_*_by_range_*",
)

again_over_api(__name__, CHOSEN, "from_the_api_{}",
               quick={"T2_a_pod_reaches_the_endpoint_and_is_seen_as_itself",
                      "T16_the_nodes_zone_is_followed", "T16_topology_with_all_hinted",
                      "BUG_1_9_a_slice_whose_label_is_edited_leaves_the_old_service"})
