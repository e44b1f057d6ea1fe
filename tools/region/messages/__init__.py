"""What the institutions of a region send in a day: HL7 v2 messages about residents and visitors, by seed.

Three hospitals, health centres, clinics, a laboratory centre, vaccination posts and the ambulance, each in its own
dialect; with messages that come twice, late or broken, and with numbers of patients that are merged.
"""

from region.messages.senders import SENDERS, System, system_of
from region.messages.streaming import Sent, stream

__all__ = ["SENDERS", "Sent", "System", "stream", "system_of"]
