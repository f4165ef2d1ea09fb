"""Finding the image a caller means, and asking the policy what the caller may do with it."""

from calotype import errors
from calotype.caller import Caller
from calotype.db.images import Images
from calotype.model.image import Image, Visibility
from calotype.policy.enforcer import Policy

#: The role of the other services of the cloud.
SERVICE = "service"


class Gate:
    """The first two lines of every use case: load what the caller may see, then allow or refuse."""

    def __init__(self, images: Images, policy: Policy) -> None:
        self._images = images
        self._policy = policy

    def image(self, caller: Caller, image_id: str) -> Image:
        """The image, if the caller may know of it; ImageNotFound otherwise, whatever the reason."""
        image = self._images.get(image_id)
        if self._knows(caller, image) and self.may(caller, "get_image", image):
            return image
        raise errors.ImageNotFound(
            f"There is no image with the id {image_id}, or you may not see it"
        )

    def image_for(self, caller: Caller, rule: str, image_id: str) -> Image:
        """As `image`, but other services of the cloud also find what a rule allows them.

        They work on the images of users with a token of their own. Whether the rule allows it to
        the others is still to be asked.
        """
        if SERVICE in caller.roles:
            image = self._images.get(image_id)
            if self.may(caller, rule, image):
                return image
        return self.image(caller, image_id)

    def may(self, caller: Caller, rule: str, image: Image) -> bool:
        """Whether a rule allows the caller something on this image."""
        return self._policy.allows(caller, rule, self._policy.image_target(image, caller))

    def allow(self, caller: Caller, rule: str, image: Image) -> None:
        """Return if a rule allows the caller this; raise Denied naming the rule."""
        self._policy.check(caller, rule, self._policy.image_target(image, caller))

    def allow_visibility(self, caller: Caller, image: Image) -> None:
        """Raise Denied when the caller may not give the image the visibility it has."""
        if image.visibility is Visibility.PUBLIC:
            self.allow(caller, "publicize_image", image)
        elif image.visibility is Visibility.COMMUNITY:
            self.allow(caller, "communitize_image", image)

    def _knows(self, caller: Caller, image: Image) -> bool:
        if caller.is_admin or image.visibility in (Visibility.PUBLIC, Visibility.COMMUNITY):
            return True
        if image.owner is not None and image.owner == caller.project_id:
            return True
        if image.visibility is not Visibility.SHARED or caller.project_id is None:
            return False
        return self._images.is_member(image.id, caller.project_id)
