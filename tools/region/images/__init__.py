"""What the image archives of a region send in a week: small DICOM images of people of the region, by seed.

Each hospital's archive writes its own character set, and knows people by the numbers of its hospital's messages.
"""

from region.images.archives import ARCHIVES, Archive
from region.images.studies import Study, studies

__all__ = ["ARCHIVES", "Archive", "Study", "studies"]
